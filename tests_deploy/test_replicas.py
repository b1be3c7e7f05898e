"""Several replicas on one database: the objects, and that CircleCI's series go on when another replica leads."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.exporter_metrics import exposed
from tests.running.waiting import wait_until
from tests_deploy.conftest import ROOT, tool
from tests_deploy.manifests import (
    CHART,
    KUSTOMIZE,
    Object,
    configuration,
    container,
    kustomize,
    objects,
    of_kind,
    pod,
    template,
)
from tests_deploy.processes import query
from tests_deploy.prometheus import prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHIPPED = yaml.safe_load((ROOT / "deploy/prometheus/replicas.yml").read_text(encoding="utf-8"))
VALUES = ("--values", CHART / "ci/replicas.yaml")
SOURCES = ("helm", "kustomize")


def made(source: str) -> list[Object]:
    return template(*VALUES) if source == "helm" else kustomize("overlays/replicas")


@pytest.mark.parametrize("source", SOURCES)
def test_replicas_are_a_deployment_whose_roll_out_never_takes_a_ready_pod_away_first(source: str) -> None:
    found = made(source)
    (deployment,) = of_kind(found, "Deployment")
    (budget,) = of_kind(found, "PodDisruptionBudget")

    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert budget["spec"]["maxUnavailable"] == 1
    assert of_kind(found, "PersistentVolumeClaim") == of_kind(found, "StatefulSet") == []


@pytest.mark.parametrize("source", SOURCES)
def test_replicas_are_on_different_hosts_where_there_are_enough(source: str) -> None:
    (deployment,) = of_kind(made(source), "Deployment")
    (rule,) = pod(made(source))["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert rule["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert rule["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("source", SOURCES)
def test_the_password_is_a_file_where_the_configuration_looks_for_it_and_the_port_is_open(source: str) -> None:
    found = made(source)
    state = yaml.safe_load(configuration(found))["state"]
    (mount,) = [each for each in container(found)["volumeMounts"] if each["name"] == "database"]
    (policy,) = of_kind(found, "NetworkPolicy")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}

    assert state["password_file"] == f"{mount['mountPath']}/password"
    assert f"sslrootcert={mount['mountPath']}/ca.crt" in state["url"]
    assert "path" not in state
    assert {53, 443, 5432} == ports


@pytest.mark.parametrize(("host", "port"), [("db", 5432), ("db:6432", 6432), ("[2001:db8::1]:6432", 6432)])
def test_the_network_policy_lets_out_to_the_database_on_its_port(host: str, port: int) -> None:
    url = ("--set", f"config.state.url=postgresql://circleci@{host}/circleci")
    (policy,) = of_kind(template(*VALUES, *url), "NetworkPolicy")

    assert {"ports": [{"port": port, "protocol": "TCP"}]} in policy["spec"]["egress"]


def test_webhooks_go_to_every_ready_pod() -> None:
    hooks = ("--set", "webhooks.existingSecret=hooks,ingress.enabled=true,ingress.host=hooks.example.com")
    found = template(*VALUES, *hooks)
    (ingress,), (service,) = of_kind(found, "Ingress"), of_kind(found, "Service")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    labels = of_kind(found, "Deployment")[0]["spec"]["template"]["metadata"]["labels"]

    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert "publishNotReadyAddresses" not in service["spec"]
    assert container(found)["readinessProbe"]["httpGet"]["path"] == "/-/ready"


def test_one_replica_with_a_database_rolls_out_without_a_gap_too_and_a_strategy_of_ones_own_wins() -> None:
    one = template(*VALUES, "--set", "replicaCount=1")
    own = template(*VALUES, "--set", "strategy.type=Recreate")

    assert of_kind(one, "Deployment")[0]["spec"]["strategy"]["type"] == "RollingUpdate"
    assert of_kind(one, "PodDisruptionBudget") == []
    assert of_kind(own, "Deployment")[0]["spec"]["strategy"] == {"type": "Recreate"}


def of_circleci(name: str) -> bool:
    return not name.startswith(("circleci_exporter_", "process_", "python_"))


def operators(source: str, folder: Path) -> dict[str, Any]:
    """The endpoint of the ServiceMonitor or PodMonitor."""
    if source == "kustomize":
        copy = folder / "kubernetes"
        shutil.copytree(KUSTOMIZE, copy)
        file = copy / "overlays/prometheus-operator/kustomization.yaml"
        text = file.read_text(encoding="utf-8").replace("- ../../base", "- ../replicas")
        file.write_text(re.sub(r"^# (patches:|  )", r"\1", text, flags=re.MULTILINE), encoding="utf-8")
        command: list[str | Path] = [tool("kubectl"), "kustomize", file.parent]
        found = objects(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        assert of_kind(found, "Deployment")[0]["spec"]["replicas"] == 2
    else:
        pods = ("--set", "serviceMonitor.enabled=false,podMonitor.enabled=true")
        found = template(*VALUES, *(pods if source == "pods" else ()))
    (monitor,) = [*of_kind(found, "ServiceMonitor"), *of_kind(found, "PodMonitor")]
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    return dict(endpoint)


def test_the_shipped_configuration_takes_the_replica_from_every_family_of_circleci_and_from_no_other() -> None:
    instance, pod_label = SHIPPED["scrape_configs"][0]["metric_relabel_configs"]
    found = {name for name in exposed() if re.fullmatch(instance["regex"], name)}

    assert found == {name for name in exposed() if of_circleci(name)}
    assert len(found) > 100
    assert pod_label == instance | {"target_label": "pod"}
    assert (instance["target_label"], instance["replacement"]) == ("instance", "")


@pytest.mark.parametrize("source", ["helm", "pods", "kustomize"])
def test_the_operators_scrape_does_what_the_shipped_configuration_does(source: str, tmp_path: Path) -> None:
    endpoint = operators(source, tmp_path)
    (relabeling,) = endpoint["metricRelabelings"]
    first = endpoint["relabelings"][0]

    assert relabeling["regex"] == SHIPPED["scrape_configs"][0]["metric_relabel_configs"][0]["regex"]
    assert (relabeling["sourceLabels"], relabeling["targetLabel"], relabeling["replacement"]) == (
        ["__name__"],
        "instance",
        "",
    )
    # The pod's name is in `instance`, so that one relabeling suffices.
    assert (first["sourceLabels"], first["targetLabel"]) == (["__meta_kubernetes_pod_name"], "instance")
    assert {"action": "labeldrop", "regex": "pod|container|endpoint"} in endpoint["relabelings"]


class Replica:
    """What a scrape of one replica sees: counters where it leads, and always itself."""

    leads = False
    runs = 0
    scrapes = 0

    def exposition(self) -> str:
        self.scrapes += 1
        own = f"circleci_exporter_leader {int(self.leads)}\nprocess_start_time_seconds 1\n"
        series = f'circleci_workflow_runs_total{{project="gh/a/b"}} {self.runs}\ncircleci_insights_x 1\n'
        return own + (series if self.leads else "")


@contextmanager
def serving(replica: Replica) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = replica.exposition().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def scraped_again(replica: Replica) -> None:
    """Wait for two more scrapes, of which the second began after now."""
    scrapes = replica.scrapes
    wait_until(lambda: replica.scrapes >= scrapes + 2, interval=0.1, why="two more scrapes")


def test_a_real_prometheus_keeps_one_series_of_circleci_when_another_replica_leads(tmp_path: Path) -> None:
    first, second = Replica(), Replica()
    with ExitStack() as stack:
        targets = [stack.enter_context(serving(replica)) for replica in (first, second)]
        document = SHIPPED | {"global": {"scrape_interval": "500ms"}, "rule_files": [], "alerting": {}}
        document["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
        config = tmp_path / "replicas.yml"
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        url = stack.enter_context(prometheus(tmp_path, config))

        def ask(expression: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = query(url, "query", query=expression)["result"]
            return found

        def seen(runs: int) -> None:
            wait_until(
                lambda: [each["value"][1] for each in ask("circleci_workflow_runs_total")] == [str(runs)],
                interval=0.1,
                why=f"{runs} runs",
            )

        first.leads = True
        seen(0)
        for leader, standby, runs in ((first, second, 5), (second, first, 7), (first, second, 11)):
            standby.leads = False
            scraped_again(standby)
            leader.runs, leader.leads = runs, True
            seen(runs)
            wait_until(lambda: len(ask("circleci_exporter_leader == 1")) == 1, interval=0.1, why="one leader")

        (counted,) = ask("circleci_workflow_runs_total[10m]")
        values = [int(value) for _, value in counted["values"]]
        assert set(counted["metric"]) == {"__name__", "job", "project"}
        assert (values, values[0], values[-1]) == (sorted(values), 0, 11)
        assert {each["metric"]["instance"] for each in ask("circleci_exporter_leader")} == set(targets)
        assert {each["metric"]["instance"] for each in ask("process_start_time_seconds")} == set(targets)
        assert {each["metric"]["instance"] for each in ask("up")} == set(targets)
        # Where the other stops to show a series, Prometheus ends it, until it scrapes the leader again.
        (shown, *_) = wait_until(lambda: ask("circleci_insights_x"), interval=0.1, why="what the leader shows")
        assert {"instance", "pod"} & shown["metric"].keys() == set()
