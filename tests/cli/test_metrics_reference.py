"""The metric reference: every metric that can be shown, and nothing else."""

from __future__ import annotations

from exporter.cli import metrics_reference
from exporter.publishing.rendering import FAMILIES


def test_every_family_of_a_publication_is_in_the_reference_once() -> None:
    names = [str(row["name"]) for row in metrics_reference.rows()]
    assert len(names) == len(set(names))
    assert set(FAMILIES) <= set(names)


def test_every_row_says_what_it_means_and_whose_it_is() -> None:
    for row in metrics_reference.rows():
        assert row["help"], row
        assert row["collector"], row
        assert row["type"] in {"gauge", "counter", "histogram"}, row
        assert isinstance(row["labels"], list)


def test_the_markdown_has_a_line_for_every_row() -> None:
    text = metrics_reference.markdown()
    for row in metrics_reference.rows():
        assert f"| `{row['name']}` | {row['type']} |" in text
    assert "### The exporter itself" in text
