"""`helm upgrade` from an older chart, and between sets of values: what fails, what is lost, what restarts."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests_deploy.conftest import ROOT
from tests_deploy.manifests import CHART, KUSTOMIZE, Object, kustomize, objects, of_kind, pod, template, workload
from tests_deploy.releases import upgraded
from tests_deploy.upgrades import deleted, refused

BEFORE = Path(__file__).parent / "before"
"""Rendered by the version before this one."""
PAGE = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
VOLUME = ("--set", "persistence.enabled=true")
SHARDS = ("--set", "shards=3")


def minimal(*arguments: str) -> list[Object]:
    return template("--values", CHART / "ci/minimal.yaml", *arguments)


def before(name: str) -> list[Object]:
    return objects((BEFORE / f"{name}.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Upgrade:
    """An upgrade by the name that docs/upgrading.md gives it, and what Kubernetes refuses of it."""

    name: str
    old: tuple[str, ...]
    """Arguments of helm, or the name of a file in before/."""
    new: tuple[str, ...]
    refusals: tuple[str, ...] = ()


CLAIMS = ("StatefulSet volumeClaimTemplates",)
LARGER = ("--set", "persistence.size=5Gi")
REPLICAS = (
    *("--set", "replicaCount=2", "--set", "config.state.url=postgresql://exporter@db/exporter"),
    *("--set", "database.existingSecret=database"),
)
UPGRADES = (
    Upgrade("A volume for one exporter", (), VOLUME),
    Upgrade("A larger volume for one exporter", VOLUME, (*VOLUME, *LARGER)),
    Upgrade("One exporter becomes several", (), SHARDS),
    Upgrade("One exporter becomes several", VOLUME, (*VOLUME, *SHARDS)),
    Upgrade("Several exporters become one", (*VOLUME, *SHARDS), VOLUME),
    Upgrade("More or fewer shards", (*VOLUME, *SHARDS), (*VOLUME, "--set", "shards=5")),
    Upgrade("One exporter becomes several replicas", VOLUME, REPLICAS),
    Upgrade("Several replicas become one exporter", REPLICAS, VOLUME),
    Upgrade("Volumes for shards", SHARDS, (*VOLUME, *SHARDS), CLAIMS),
    Upgrade("Larger volumes for shards", (*VOLUME, *SHARDS), (*VOLUME, *SHARDS, *LARGER), CLAIMS),
    Upgrade("A chart from before 0.1.0, one exporter without a volume", ("minimal",), (), ("Deployment strategy",)),
    Upgrade("A chart from before 0.1.0, with a volume or shards", ("persistent",), VOLUME),
    Upgrade("A chart from before 0.1.0, with a volume or shards", ("sharded",), (*VOLUME, *SHARDS)),
)


def sides(upgrade: Upgrade) -> tuple[list[Object], list[Object]]:
    known = len(upgrade.old) == 1
    return before(upgrade.old[0]) if known else minimal(*upgrade.old), minimal(*upgrade.new)


def row(upgrade: Upgrade) -> str:
    """What the page says of it."""
    (only,) = [line for line in PAGE.splitlines() if line.startswith(f"| {upgrade.name} |")]
    return only


@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: upgrade.name)
def test_the_page_on_upgrades_names_each_that_kubernetes_refuses_and_no_claim_is_deleted(upgrade: Upgrade) -> None:
    old, new = sides(upgrade)

    assert tuple(refused(old, new)) == upgrade.refusals
    assert ("--cascade=orphan" in row(upgrade)) is bool(upgrade.refusals)
    assert of_kind(deleted(old, new), "PersistentVolumeClaim") == []


def test_the_page_on_upgrades_names_no_other() -> None:
    table = PAGE.partition("<!-- upgrades -->")[2].partition("<!-- end -->")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]

    assert rows == list(dict.fromkeys(each.name for each in UPGRADES))


COMMAND = re.compile(r"`helm upgrade( --set [^`]+)`")
COMMANDED = [each for each in UPGRADES if COMMAND.search(row(each))]


def values(arguments: tuple[str, ...]) -> dict[str, Any]:
    """The minimal values and these --set, as a release keeps them."""
    made: dict[str, Any] = yaml.safe_load((CHART / "ci/minimal.yaml").read_text(encoding="utf-8"))
    for each in arguments[1::2]:
        path, _, value = each.partition("=")
        *sections, key = path.split(".")
        section = made
        for name in sections:
            section = section.setdefault(name, {})
        section[key] = yaml.safe_load(value)
    return made


@pytest.mark.parametrize("program", ["helm", "helm3"])
@pytest.mark.parametrize("upgrade", COMMANDED, ids=lambda upgrade: f"{upgrade.name}, {len(upgrade.old)}")
def test_the_command_of_the_page_makes_of_the_release_before_what_it_says(
    upgrade: Upgrade, program: str, tmp_path: Path
) -> None:
    (said,) = COMMAND.findall(row(upgrade))

    release = upgraded(values(upgrade.old), *said.split(), folder=tmp_path, program=program)

    assert objects(release["manifest"]) == minimal("--skip-tests", *upgrade.new)


def without_a_volume(folder: Path) -> Path:
    """An overlay on the base, with what the page on kustomize says to leave out its volume."""
    shutil.copytree(KUSTOMIZE / "base", folder / "base")
    page = (KUSTOMIZE / "README.md").read_text(encoding="utf-8")
    patches = page.partition("## Without a volume\n")[2].partition("```yaml\n")[2].partition("```")[0]
    overlay = folder / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(f"resources: [../base]\n{patches}", encoding="utf-8")
    return overlay


def test_kustomizes_base_of_before_gets_a_volume_that_an_overlay_leaves_out_as_the_page_says(tmp_path: Path) -> None:
    old, new, without = before("base"), kustomize("base"), kustomize(without_a_volume(tmp_path))

    assert refused(old, new) == refused(new, without) == []
    assert [each["kind"] for each in deleted(new, without)] == ["PersistentVolumeClaim"]
    assert pod(without) == pod(old)
    assert pod(new) != pod(old)


@pytest.mark.parametrize("values", [VOLUME, (*VOLUME, *SHARDS)])
def test_an_uninstall_keeps_the_volumes_of_the_state_unless_it_was_told_to_delete_them(values: tuple[str, ...]) -> None:
    delete = ("--set", "persistence.retentionPolicy.whenDeleted=Delete")
    kept, gone = minimal(*values), minimal(*values, *delete)

    assert of_kind(deleted(kept, []), "PersistentVolumeClaim") == []
    for found, policy in ((kept, "Retain"), (gone, "Delete")):
        for each in of_kind(found, "StatefulSet"):
            retention = each["spec"]["persistentVolumeClaimRetentionPolicy"]
            assert retention == {"whenDeleted": policy, "whenScaled": "Retain"}
    assert len(of_kind(deleted(gone, []), "PersistentVolumeClaim")) == len(of_kind(gone, "PersistentVolumeClaim"))


@pytest.mark.parametrize("values", ["full", "sharded", "community"])
def test_another_version_of_the_chart_replaces_no_pod(values: str, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    description = chart / "Chart.yaml"
    said = description.read_text(encoding="utf-8").replace("\nversion: ", "\nversion: 9")
    description.write_text(said, encoding="utf-8")
    file = CHART / "ci" / f"{values}.yaml"

    old, new = template("--values", file), template("--values", file, chart=chart)

    assert workload(old)["metadata"]["labels"] != workload(new)["metadata"]["labels"]
    assert workload(old)["spec"] == workload(new)["spec"]


def test_a_changed_configuration_replaces_no_pod() -> None:
    old, new = minimal(), minimal("--set", "config.projects={gh/acme/web,gh/acme/api}")

    assert workload(old) == workload(new)


def test_the_rules_of_kubernetes_are_seen_where_they_are_broken() -> None:
    old, new = before("sharded"), before("sharded")
    workload(new)["spec"]["selector"]["matchLabels"]["more"] = "a"
    workload(new)["spec"]["serviceName"] = "another"
    of_kind(new, "Service")[1]["spec"]["clusterIP"] = "10.0.0.1"

    assert sorted(refused(old, new)) == [
        "Service clusterIP",
        "StatefulSet selector",
        "StatefulSet serviceName",
    ]
    assert [each["kind"] for each in deleted(before("persistent"), before("minimal"))] == ["PersistentVolumeClaim"]
