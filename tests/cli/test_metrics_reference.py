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


def test_each_section_says_whether_it_is_on_by_default_and_what_turns_it_on() -> None:
    sections = dict(part.partition("\n\n")[::2] for part in metrics_reference.markdown().split("### ")[1:])
    said = {name: text.partition("\n\n")[0] for name, text in sections.items()}
    assert said["Collector workflows"] == said["Collector jobs"] == "On by default."
    assert said["Collector flaky_tests"] == "Off by default: add `flaky_tests` to `collectors`."
    assert said["Collector runs"] == "Off by default: add `runs` or `pipelines` to `collectors`."
    assert said["Self-hosted runners"] == "Off by default: needs `runners` in the configuration."
    unsaid = {name for name, text in said.items() if "y default" not in text}
    assert unsaid == {"Every project", "The exporter itself"}


def test_the_markdown_has_a_line_for_every_row() -> None:
    text = metrics_reference.markdown()
    for row in metrics_reference.rows():
        assert f"| `{row['name']}` | {row['type']} |" in text
    assert "### The exporter itself" in text
