from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config import parse
from exporter.knowledge import labels
from tests.knowledge.samples import FACTS

APP, WEB = "circleci/8vLqd1AbCdEf/43G3kM5RtfFE", "gh/acme/web"
KNOWN = replace(FACTS, organization="Acme Inc", project_name="platform")


def wanted(slug: str, choice: str = "auto", facts: object = KNOWN) -> str:
    (project,) = parse(f"projects: [{{slug: {slug}, project_label: {choice}}}]").projects
    return labels.wanted(project, facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slug", "choice", "label"),
    [
        (APP, "auto", "Acme Inc/platform"),
        (APP, "name", "Acme Inc/platform"),
        (APP, "slug", ""),
        (WEB, "auto", ""),
        (WEB, "slug", ""),
        (WEB, "name", "Acme Inc/platform"),
        ("bb/acme/web", "auto", ""),
    ],
)
def test_ids_are_named_as_circleci_names_them_unless_the_settings_say_otherwise(
    slug: str, choice: str, label: str
) -> None:
    assert wanted(slug, choice) == label


@pytest.mark.parametrize("facts", [None, replace(KNOWN, organization=""), replace(KNOWN, project_name="")])
def test_as_long_as_circleci_tells_no_name_the_slug_is_the_label(facts: object) -> None:
    assert wanted(APP, facts=facts) == ""
