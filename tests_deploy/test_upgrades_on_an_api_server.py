"""Each row of docs/upgrading.md on a real Kubernetes API, with Helm 4 and Helm 3: `make upgrade-test`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.running.waiting import wait_until
from tests_deploy.api_server import Cluster, cluster, programs
from tests_deploy.manifests import CHART, KUSTOMIZE, kustomize
from tests_deploy.test_upgrades import BEFORE, REPLICAS, SHARDS, UPGRADES, VOLUME, Upgrade, without_a_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "rel-circleci-insights-exporter"
HELMS = ("helm", "helm3")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), programs()) as made:
        yield made


@pytest.fixture(scope="module")
def chart(server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, without what a server from before Kubernetes 1.25 does not know."""
    folder = tmp_path_factory.mktemp("chart") / CHART.name
    shutil.copytree(CHART, folder)
    if not server.knows("statefulset.spec.persistentVolumeClaimRetentionPolicy"):
        description, workload = folder / "Chart.yaml", folder / "templates" / "statefulset.yaml"
        lines = description.read_text(encoding="utf-8").splitlines()
        description.write_text("\n".join(line for line in lines if "kubeVersion" not in line), encoding="utf-8")
        said = "{{- toYaml .Values.persistence.retentionPolicy | nindent 4 }}"
        policy = f"  persistentVolumeClaimRetentionPolicy:\n    {said}\n"
        text = workload.read_text(encoding="utf-8")
        assert policy in text
        workload.write_text(text.replace(policy, ""), encoding="utf-8")
    if not server.has("policy/v1"):
        budget = folder / "templates" / "poddisruptionbudget.yaml"
        budget.write_text(budget.read_text(encoding="utf-8").replace("policy/v1", "policy/v1beta1"), encoding="utf-8")
    return folder


class Release:
    """One release in a namespace of its own."""

    def __init__(self, server: Cluster, chart: Path, program: str, namespace: str, folder: Path) -> None:
        self.server, self.chart, self.program, self.namespace, self.folder = server, chart, program, namespace, folder
        done = server.run("kubectl", "create", "namespace", namespace)
        assert done.returncode == 0, done.stderr

    def helm(self, *arguments: str | Path) -> str:
        """Returns what helm says of an error; nothing where all went well."""
        done = self.server.run(self.program, *arguments, "--namespace", self.namespace)
        assert (done.returncode == 0) or done.stderr
        return "" if done.returncode == 0 else done.stderr

    def become(self, values: tuple[str, ...]) -> str:
        """Install or upgrade to what a row of the page begins or ends with."""
        if len(values) == 1:
            return self.helm("upgrade", "--install", "rel", self._chart_from_before(values[0]))
        return self.helm("upgrade", "--install", "rel", self.chart, "--values", CHART / "ci/minimal.yaml", *values)

    def _chart_from_before(self, name: str) -> Path:
        folder = self.folder / name
        (folder / "templates").mkdir(parents=True)
        description = {"apiVersion": "v2", "name": "circleci-insights-exporter", "version": "0.0.1"}
        (folder / "Chart.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
        text = (BEFORE / f"{name}.yaml").read_text(encoding="utf-8").replace("namespace: ci", "")
        # The file has what concerns an upgrade, and the pods need an account.
        text += f"---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {NAME}\n"
        (folder / "templates" / "all.yaml").write_text(text, encoding="utf-8")
        return folder

    def kubectl(self, *arguments: str) -> str:
        done = self.server.run("kubectl", *arguments, "--namespace", self.namespace)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def claims(self) -> dict[str, str]:
        """Name and uid of each claim: a claim that was deleted and made again has another uid."""
        return {
            each["metadata"]["name"]: each["metadata"]["uid"]
            for each in self.server.items("persistentvolumeclaims", self.namespace)
            if "deletionTimestamp" not in each["metadata"]
        }

    def pods(self) -> dict[str, dict[str, Any]]:
        """The living pods by uid."""
        return {
            each["metadata"]["uid"]: each
            for each in self.server.items("pods", self.namespace)
            if "deletionTimestamp" not in each["metadata"]
        }

    def workloads(self) -> list[dict[str, Any]]:
        return [each for kind in ("deployments", "statefulsets") for each in self.server.items(kind, self.namespace)]

    def settle(self) -> None:
        """Wait until the only workload has rolled out and no other pod is left."""
        wait_until(self._is_settled, interval=0.2, why="the roll-out")

    def _is_settled(self) -> bool:
        (only,) = self.workloads()
        status, replicas = only["status"], only["spec"]["replicas"]
        done = status.get("observedGeneration") == only["metadata"]["generation"]
        counts = [status.get(name, 0) for name in ("readyReplicas", "updatedReplicas", "replicas")]
        if "currentRevision" in status:
            done = done and status["currentRevision"] == status["updateRevision"]
        return done and counts == [replicas] * 3 and len(self.pods()) == replicas

    def mounted(self) -> set[str]:
        """The claims that the pods use."""
        volumes = [volume for pod in self.pods().values() for volume in pod["spec"]["volumes"]]
        return {each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each}


@pytest.fixture(params=HELMS)
def release(request: pytest.FixtureRequest, server: Cluster, chart: Path, tmp_path: Path) -> Iterator[Release]:
    made = Release(server, chart, request.param, f"n-{abs(hash(request.node.name)):x}", tmp_path)
    yield made
    server.run("kubectl", "delete", "namespace", made.namespace, "--wait=false")


def remedy(release: Release, upgrade: Upgrade) -> None:
    """What the page says to do where Kubernetes refuses."""
    if upgrade.name == "Larger volumes for shards":
        for claim in release.claims():
            patch = json.dumps({"spec": {"resources": {"requests": {"storage": "5Gi"}}}})
            release.kubectl("patch", "persistentvolumeclaim", claim, "--patch", patch)
    kind = upgrade.refusals[0].split()[0].lower()
    release.kubectl("delete", kind, NAME, "--cascade=orphan")
    wait_until(lambda: not release.workloads(), interval=0.1, why="the object to be gone")


def replace_one_by_one(release: Release) -> None:
    """Kubernetes cannot give the pods that it took over a volume: delete them, as the page says."""
    wait_until(lambda: "FailedUpdate" in release.kubectl("get", "events"), interval=0.2, why="the refused change")
    assert release.mounted() == set()
    for number in range(3):
        release.kubectl("delete", "pod", f"{NAME}-{number}", "--wait=false")
        wait_until(lambda: len(release.mounted()) > number, interval=0.2, why="a pod with a volume")  # noqa: B023


@pytest.mark.parametrize("upgrade", UPGRADES, ids=lambda upgrade: f"{upgrade.name}, {len(upgrade.old)}")
def test_an_upgrade_goes_as_the_page_says(release: Release, upgrade: Upgrade) -> None:
    assert release.become(upgrade.old) == ""
    release.settle()
    pods, claims = release.pods(), release.claims()

    said = release.become(upgrade.new)

    refused = bool(upgrade.refusals) and not (release.program == "helm3" and upgrade.name.startswith("A chart from"))
    assert (said != "") is refused
    if refused:
        assert "orbidden" in said
        assert release.pods().keys() == pods.keys()
        remedy(release, upgrade)
        assert release.pods().keys() == pods.keys()
        assert release.become(upgrade.new) == ""
    if upgrade.name == "Volumes for shards":
        replace_one_by_one(release)
    release.settle()
    assert claims.items() <= release.claims().items()
    if "persistence.enabled=true" in upgrade.new:
        assert len(release.mounted()) == len(release.pods())


@pytest.mark.parametrize("upgrade", UPGRADES[:8], ids=lambda upgrade: f"{upgrade.name}, {len(upgrade.old)}")
def test_a_rollback_returns_to_the_volumes_of_before(release: Release, upgrade: Upgrade) -> None:
    assert release.become(upgrade.old) == ""
    release.settle()
    used = release.mounted()
    assert release.become(upgrade.new) == ""
    release.settle()
    claims = release.claims()

    said = release.helm("rollback", "rel")

    if upgrade.name == "A larger volume for one exporter":
        assert "orbidden" in said  # a volume never shrinks
        return
    if release.program == "helm3" and upgrade.old == VOLUME:
        assert "no PersistentVolumeClaim" in said  # which Helm 3 has kept, and knows no longer
        assert release.become(upgrade.old) == ""
        # It forgot what it should have deleted.
        release.kubectl("delete", "statefulset", NAME, "--ignore-not-found")
    else:
        assert said == ""
    release.settle()
    assert release.mounted() == used
    assert claims.items() <= release.claims().items()


@pytest.mark.parametrize("values", [VOLUME, (*VOLUME, *SHARDS)], ids=["one", "shards"])
def test_after_an_uninstall_an_install_of_the_same_name_takes_the_volumes_again(
    release: Release, values: tuple[str, ...]
) -> None:
    assert release.become(values) == ""
    release.settle()
    claims = release.claims()

    assert release.helm("uninstall", "rel") == ""
    wait_until(lambda: not release.pods(), interval=0.1, why="no pod")
    assert release.claims() == claims

    assert release.become(values) == ""
    release.settle()
    assert release.claims() == claims
    assert release.mounted() == claims.keys()


def test_an_uninstall_deletes_the_volume_where_the_values_say_so(release: Release) -> None:
    assert release.become((*VOLUME, "--set", "persistence.retentionPolicy.whenDeleted=Delete")) == ""
    release.settle()

    assert release.helm("uninstall", "rel") == ""

    wait_until(lambda: not release.claims(), interval=0.1, why="no claim")


def test_fewer_shards_keep_the_volumes_of_those_that_go_and_more_take_them_again(release: Release) -> None:
    assert release.become((*VOLUME, *SHARDS)) == ""
    release.settle()
    claims = release.claims()

    for shards in (2, 3):
        assert release.become((*VOLUME, "--set", f"shards={shards}")) == ""
        release.settle()
        assert len(release.pods()) == shards
        assert release.claims() == claims


def test_a_changed_configuration_and_another_version_of_the_chart_replace_no_pod(release: Release) -> None:
    assert release.become(()) == ""
    release.settle()
    pods = release.pods()
    description = release.folder / "next" / "Chart.yaml"
    shutil.copytree(release.chart, description.parent)
    text = description.read_text(encoding="utf-8").replace("\nversion: ", "\nversion: 9")
    description.write_text(text, encoding="utf-8")
    release.chart = description.parent

    assert release.become(("--set", "config.projects={gh/acme/web,gh/acme/api}")) == ""

    release.settle()
    assert release.pods().keys() == pods.keys()
    (configuration,) = [
        each for each in release.server.items("configmaps", release.namespace) if "config.yaml" in each["data"]
    ]
    assert "gh/acme/api" in configuration["data"]["config.yaml"]


def apply(release: Release, folder: str | Path) -> None:
    """`kubectl apply -k`; on a server that lacks policy/v1 without the budget."""
    if release.server.has("policy/v1"):
        release.kubectl("apply", "--kustomize", str(KUSTOMIZE / folder))
        return
    wanted = [each for each in kustomize(folder) if each["kind"] != "PodDisruptionBudget"]
    file = release.folder / "all.yaml"
    file.write_text(yaml.safe_dump_all(wanted), encoding="utf-8")
    release.kubectl("apply", "--filename", str(file))


@pytest.mark.parametrize("release", ["helm"], indirect=True, ids=["kubectl"])
def test_kustomize_gives_one_exporter_a_volume_and_takes_it_away_again(release: Release, tmp_path: Path) -> None:
    release.kubectl("apply", "--filename", str(BEFORE / "base.yaml"))
    release.settle()
    assert release.mounted() == set()

    apply(release, "base")
    release.settle()
    claims = release.claims()
    assert release.mounted() == claims.keys() == {"circleci-insights-exporter"}

    for folder, volumes in ((without_a_volume(tmp_path), 0), (KUSTOMIZE / "overlays/webhooks", 1)):
        apply(release, folder)
        release.settle()
        assert len(release.mounted()) == volumes
        assert release.claims() == claims


@pytest.mark.parametrize("release", ["helm"], indirect=True, ids=["kubectl"])
def test_with_kustomize_the_single_exporter_goes_on_beside_the_shards_until_it_is_deleted(release: Release) -> None:
    apply(release, "base")
    release.settle()

    apply(release, "overlays/sharded")
    wait_until(lambda: len(release.pods()) == 4, interval=0.1, why="three shards beside one exporter")

    release.kubectl("delete", "deployment", "circleci-insights-exporter")
    release.settle()
    assert len(release.mounted()) == 3


@pytest.mark.parametrize("release", ["helm"], indirect=True, ids=["kubectl"])
def test_with_kustomize_one_exporter_becomes_two_replicas_and_one_again(release: Release) -> None:
    for folder, replicas in (("base", 1), ("overlays/replicas", 2), ("base", 1)):
        apply(release, folder)
        release.settle()
        assert len(release.pods()) == replicas


def test_a_roll_out_of_replicas_starts_a_pod_before_it_stops_one(release: Release) -> None:
    assert release.become(REPLICAS) == ""
    release.settle()
    pods = release.pods()

    with release.server.node:
        assert release.become((*REPLICAS, "--set", "podAnnotations.x=y")) == ""
        wait_until(lambda: len(release.pods()) == 3, interval=0.1, why="a new pod beside the two")
        assert pods.keys() < release.pods().keys()
    release.settle()
    assert not pods.keys() & release.pods().keys()
