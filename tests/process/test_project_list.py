from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config import owner, parse
from exporter.insights.collectors import ORGANIZATIONS
from exporter.knowledge import discovered_projects
from exporter.knowledge.discovered_projects import Sighting
from exporter.knowledge.snapshots import Part, Snapshot
from exporter.process.project_list import ProjectList
from exporter.publishing.store import SnapshotStore
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from exporter.config import Config

NOW = 1_790_000_000.0
CONFIG = parse("projects: [gh/acme/web]\norganizations: [{slug: gh/other, exclude: [old*]}]")
FOUND = ("api", "web", "old-api")


def listing(config: Config, *, shard: int = 0, total: int = 1, found: tuple[str, ...] = FOUND) -> ProjectList:
    store, telemetry = SnapshotStore(), Telemetry("1", (ORGANIZATIONS,))
    for organization in config.organizations:
        slug = organization.slug
        sightings = {f"{slug}/{name}": Sighting(f"{slug}/{name}", name, NOW) for name in found}
        part = Part(discovered_projects.packed(sightings), NOW, NOW)
        parts = {discovered_projects.pipelines(slug): part} if found else {}
        store.publish([Snapshot(discovered_projects.itself(organization), parts=parts)], NOW)
    projects = ProjectList(store, telemetry, shard=shard, total_shards=total)
    projects.adopt(config)
    return projects


def slugs(projects: ProjectList) -> list[str]:
    return [project.slug for project in projects.projects()]


def test_listed_projects_come_first_and_those_found_are_chosen_by_name() -> None:
    assert slugs(listing(CONFIG)) == ["gh/acme/web", "gh/other/api", "gh/other/web"]


def test_how_many_an_organization_has_is_shown_once_something_was_found() -> None:
    for found, expected in ((FOUND, 2.0), ((), None)):
        projects = listing(CONFIG, found=found)
        projects.projects()
        name, labels = "circleci_exporter_discovered_projects", {"organization": "gh/other"}
        assert projects._telemetry.registry.get_sample_value(name, labels) == expected


def test_asking_for_the_slugs_alone_shows_nothing() -> None:
    projects = listing(CONFIG)
    assert projects.slugs() == set(slugs(listing(CONFIG)))
    name, labels = "circleci_exporter_discovered_projects", {"organization": "gh/other"}
    assert projects._telemetry.registry.get_sample_value(name, labels) is None


def test_another_configuration_holds_from_then_on() -> None:
    projects = listing(CONFIG)
    projects.adopt(parse("projects: [gh/acme/api]"))
    assert slugs(projects) == ["gh/acme/api"]
    assert projects.organizations == {}


def test_shards_share_the_projects_and_one_shows_an_organizations_totals() -> None:
    shards = [listing(CONFIG, shard=shard, total=3) for shard in range(3)]
    assert sorted(slug for each in shards for slug in slugs(each)) == sorted(slugs(listing(CONFIG)))
    shown = [each.shows_totals("gh/other") for each in shards]
    assert shown == [owner("gh/other", 3) == shard for shard in range(3)]
    assert sum(shown) == 1
