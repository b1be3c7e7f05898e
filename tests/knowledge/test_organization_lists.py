"""Which organizations' lists of pipelines are read."""

from __future__ import annotations

from exporter.config import parse
from exporter.knowledge.calls import Calls, lists_per_hour
from exporter.knowledge.organization_lists import organization_of, shared

CONFIG = """
defaults: {collectors: [pipelines]}
projects:
  - gh/acme/web
  - {slug: gh/acme/api, pipelines: {interval: 30s}}
  - {slug: gh/acme/quiet, collectors: [workflows]}
  - gh/initech/alone
  - circleci/8vLqd1AbCdEf/43G3kM5RtfFE
"""


def test_a_list_is_read_where_two_projects_that_have_the_collector_share_it() -> None:
    assert shared(parse(CONFIG).projects) == {"gh/acme": {"gh/acme/web": 60, "gh/acme/api": 30}}


def test_it_is_read_every_one_point_four_of_the_shortest_interval() -> None:
    assert lists_per_hour(parse(CONFIG).projects) == {"gh/acme": Calls(3600 / 42, 3600 / 42)}


def test_an_organization_is_all_of_a_slug_but_its_end() -> None:
    assert organization_of("circleci/8vLqd1AbCdEf/43G3kM5RtfFE") == "circleci/8vLqd1AbCdEf"
