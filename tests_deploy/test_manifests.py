"""The Helm chart over a matrix of values, and the folders of kustomize."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import main as command
from tests.conftest import find_program
from tests.deploy.exporter_metrics import RULES, documents
from tests_deploy.conftest import ROOT
from tests_deploy.manifests import CHART, configuration, helm, kustomize, of_kind, pod, problems, template

if TYPE_CHECKING:
    from pathlib import Path

    from tests_deploy.manifests import Object

VALUES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
FOLDERS = ("base", "overlays/sharded", "overlays/prometheus-operator")
SOURCES = [*VALUES, *FOLDERS]
WITH_VOLUME = {"full", "sharded", "created-secret", "overlays/sharded"}
SHARDED = {"sharded": 3, "sharded-in-memory": 2, "overlays/sharded": 3}


@cache
def rendered(source: str) -> list[Object]:
    return kustomize(source) if source in FOLDERS else template("--values", CHART / "ci" / f"{source}.yaml")


@pytest.mark.parametrize("values", VALUES)
def test_helm_lints_the_chart(values: str) -> None:
    done = helm("lint", "--strict", CHART, "--values", CHART / "ci" / f"{values}.yaml")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("source", SOURCES)
def test_every_object_fits_the_oldest_a_middle_and_the_newest_kubernetes_and_the_operator(source: str) -> None:
    assert problems(rendered(source)) == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"kind": "Deploiment"}, "Deploiment"),
        ({"spec": {"replica": 1}}, "Deployment"),
        ({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": {"endpoint": []}}, "endpoint"),
        ({"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRules"}, "PrometheusRules"),
    ],
)
def test_an_unknown_kind_and_an_unknown_field_are_refused(change: dict[str, object], refusal: str) -> None:
    (deployment,) = of_kind(rendered("minimal"), "Deployment")

    assert any(refusal in line for line in problems([deployment | change]))


@pytest.mark.parametrize("source", SOURCES)
def test_the_configuration_passes_the_exporters_own_check(source: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(rendered(source)), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", "--offline", "--config.file", file],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", SOURCES)
def test_the_real_command_takes_the_containers_arguments(source: str) -> None:
    (container,) = pod(rendered(source))["containers"]
    # This host is no pod with a number: the next test is about auto.
    name, *arguments = (each.replace("--shard=auto", "--shard=1") for each in container["args"])

    context = command.commands[name].make_context(name, arguments)

    assert context.params["config_file"].as_posix() == "/etc/circleci-insights-exporter/config.yaml"
    assert context.params["config_watch"]


def test_the_command_takes_its_shard_from_the_pods_name_and_refuses_flags_that_it_does_not_know() -> None:
    assert "auto needs a host name that ends in -NUMBER" in CliRunner().invoke(command, ["run", "--shard=auto"]).output
    assert "No such option" in CliRunner().invoke(command, ["run", "--config.wotch"]).output


@pytest.mark.parametrize("source", SOURCES)
def test_pods_satisfy_the_restricted_pod_security_standard(source: str) -> None:
    specification = pod(rendered(source))
    (container,) = specification["containers"]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }

    assert specification["securityContext"]["runAsNonRoot"] is True
    assert specification["securityContext"]["runAsUser"] == 65532
    assert specification["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & specification.keys()
    assert all(not {"name"} ^ volume.keys() - allowed for volume in specification["volumes"])
    assert specification["automountServiceAccountToken"] is False


@pytest.mark.parametrize("source", SOURCES)
def test_the_configuration_is_mounted_so_that_a_change_reaches_the_pod_without_a_restart(source: str) -> None:
    found = rendered(source)
    (container,) = pod(found)["containers"]
    (workload,) = [*of_kind(found, "Deployment"), *of_kind(found, "StatefulSet")]
    annotations = workload["spec"]["template"]["metadata"].get("annotations", {})

    # A file mounted by subPath never changes, and a checksum would replace the pods.
    assert not any("subPath" in mount for mount in container["volumeMounts"])
    assert not any("checksum" in name for name in annotations)
    (volume,) = [volume for volume in pod(found)["volumes"] if volume["name"] == "config"]
    assert volume["configMap"]["name"] in {each["metadata"]["name"] for each in of_kind(found, "ConfigMap")}


@pytest.mark.parametrize("source", SOURCES)
def test_probes_ask_the_routes_that_do_not_depend_on_circleci(source: str) -> None:
    (container,) = pod(rendered(source))["containers"]

    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert container["livenessProbe"]["httpGet"].get("scheme", "HTTP") == ("HTTPS" if source == "full" else "HTTP")
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("source", sorted(set(SOURCES) - SHARDED.keys()))
def test_one_shard_is_a_deployment_which_stops_the_old_pod_first_when_it_has_a_volume(source: str) -> None:
    (deployment,) = of_kind(rendered(source), "Deployment")

    assert deployment["spec"]["replicas"] == 1
    if source in WITH_VOLUME:
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
        assert "path: /var/lib/circleci-insights-exporter/state.sqlite" in configuration(rendered(source))


@pytest.mark.parametrize("source", SHARDED)
def test_several_shards_are_a_stateful_set_that_tells_each_pod_the_number_of_all(source: str) -> None:
    found = rendered(source)
    (stateful,) = of_kind(found, "StatefulSet")
    (container,) = pod(found)["containers"]

    assert stateful["spec"]["replicas"] == SHARDED[source]
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"
    assert "--shard=auto" in container["args"]
    assert f"--total-shards={SHARDED[source]}" in container["args"]
    assert bool(stateful["spec"].get("volumeClaimTemplates")) == (source in WITH_VOLUME)
    headless = next(s for s in of_kind(found, "Service") if s["metadata"]["name"] == stateful["spec"]["serviceName"])
    assert headless["spec"]["clusterIP"] == "None"
    assert pod(found)["topologySpreadConstraints"]


@pytest.mark.parametrize("source", SOURCES)
def test_selectors_find_the_pods(source: str) -> None:
    found = rendered(source)
    (workload,) = [*of_kind(found, "Deployment"), *of_kind(found, "StatefulSet")]
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    selectors = [workload["spec"]["selector"]["matchLabels"]]
    selectors += [each["spec"]["selector"] for each in of_kind(found, "Service")]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(found, "NetworkPolicy")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(found, "PodDisruptionBudget")]

    assert all(selector and selector.items() <= labels for selector in selectors)


@pytest.mark.parametrize("source", ["full", "sharded", "renamed", "overlays/prometheus-operator"])
def test_the_service_monitor_finds_one_service_and_keeps_the_exporters_labels(source: str) -> None:
    found = rendered(source)
    (monitor,) = of_kind(found, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [s for s in of_kind(found, "Service") if wanted <= s["metadata"]["labels"].items()]
    (endpoint,) = monitor["spec"]["endpoints"]

    assert len(services) == 1
    assert endpoint["honorLabels"] is True
    assert not any(
        "project" in relabeling.get("targetLabel", "") or relabeling.get("targetLabel") == "job_name"
        for relabeling in endpoint["relabelings"]
    )
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_the_service_monitors_relabeling_gives_a_series_the_same_name_after_a_pod_was_replaced() -> None:
    (single,) = of_kind(rendered("full"), "ServiceMonitor")
    (sharded,) = of_kind(rendered("sharded"), "ServiceMonitor")

    assert single["spec"]["endpoints"][0]["relabelings"][0] == {
        "targetLabel": "instance",
        "replacement": "rel-circleci-insights-exporter",
    }
    assert sharded["spec"]["endpoints"][0]["relabelings"][0]["sourceLabels"] == ["__meta_kubernetes_pod_name"]


def test_the_charts_rules_are_those_of_prometheus_with_the_thresholds_and_the_runbook_of_the_values() -> None:
    (rule,) = of_kind(rendered("full"), "PrometheusRule")
    thresholds, *others = rule["spec"]["groups"]
    text = json.dumps(others)
    shipped = [*documents(RULES / "recording.yml")["groups"], *documents(RULES / "alerts.yml")["groups"]]
    numbers = {each["record"]: each["expr"] for each in thresholds["rules"]}

    assert "https://wiki.example.org/circleci#circlecitokenrefused" in text
    assert (
        json.loads(text.replace("wiki.example.org/circleci", "runbooks.example.com/circleci-insights-exporter"))
        == shipped
    )
    assert numbers["circleci:threshold:success_ratio"] == "vector(0.9)"


def test_the_charts_thresholds_are_by_default_those_of_prometheus() -> None:
    (rule,) = of_kind(rendered("renamed"), "PrometheusRule")
    shipped = documents(RULES / "thresholds.yml")["groups"][0]["rules"]

    def number(expression: str) -> float:
        product = 1.0
        for factor in expression.removeprefix("vector(").removesuffix(")").split("*"):
            product *= float(factor)
        return product

    chart = {each["record"]: number(each["expr"]) for each in rule["spec"]["groups"][0]["rules"]}
    assert chart == {each["record"]: number(each["expr"]) for each in shipped}


def test_a_renamed_chart_has_its_own_name_in_the_alert_for_an_exporter_that_is_down() -> None:
    (rule,) = of_kind(rendered("renamed"), "PrometheusRule")
    alerts = {each.get("alert"): each for group in rule["spec"]["groups"] for each in group["rules"]}

    assert 'job="insights"' in alerts["CircleCIExporterDown"]["expr"]


@pytest.mark.parametrize("source", ["full", "overlays/prometheus-operator"])
def test_the_operators_rules_are_rules_that_promtool_takes(source: str, tmp_path: Path) -> None:
    (rule,) = of_kind(rendered(source), "PrometheusRule")
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump(rule["spec"]), encoding="utf-8")

    subprocess.run([find_program("promtool"), "check", "rules", file], check=True)


@pytest.mark.parametrize("source", ["full", "renamed", "overlays/prometheus-operator"])
def test_dashboards_are_config_maps_with_the_sidecars_label(source: str) -> None:
    maps = [
        each
        for each in of_kind(rendered(source), "ConfigMap")
        if any(name.endswith(".json") for name in each.get("data", {}))
    ]
    label = "dashboard" if source == "renamed" else "grafana_dashboard"
    shipped = {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")
    }

    assert len(maps) == 3
    assert all(label in each["metadata"]["labels"] for each in maps)
    for each in maps:
        ((name, text),) = each["data"].items()
        assert json.loads(text) == shipped[name.removeprefix("circleci-")]
        # kubectl apply keeps the object in an annotation, which may have 256 KiB.
        assert len(text) < 200_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "token.existingSecret"),
        (["--set", "token.existingSecret=a"], "config.projects"),
        (["--set", "token.existingSecret=a,token.value=b", "--set", "config.projects={gh/a/b}"], "give one of them"),
        (["--values", "minimal", "--set", "shard=2"], "additional properties 'shard' not allowed"),
        (["--values", "minimal", "--set", "shards=0"], "shards"),
        (["--values", "minimal", "--set", "config.circleci.token_file=/x"], "'/config/circleci'"),
        (["--values", "created-secret", "--set", "shards=2"], "persistence.existingClaim"),
        (["--values", "minimal", "--set", "extraEnv[0].name=CIRCLECI_TOKEN,extraEnv[0].value=x"], "extraEnv"),
    ],
)
def test_the_chart_refuses_what_cannot_work(arguments: list[str], said: str) -> None:
    found = [
        str(CHART / "ci" / f"{each}.yaml") if (CHART / "ci" / f"{each}.yaml").exists() else each for each in arguments
    ]

    done = helm("template", "rel", CHART, *found)

    assert done.returncode != 0
    assert said in done.stderr


def test_a_secret_exists_only_where_a_token_was_given() -> None:
    made = {source: of_kind(rendered(source), "Secret") for source in SOURCES}

    assert [source for source, secrets in made.items() if secrets] == ["created-secret"]
    (secret,) = made["created-secret"]
    assert secret["data"] == {"token": "bWFkZS11cC10b2tlbg=="}


def test_the_chart_can_be_packaged(tmp_path: Path) -> None:
    done = helm("package", CHART, "--destination", tmp_path)

    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["circleci-insights-exporter-0.1.0.tgz"]
