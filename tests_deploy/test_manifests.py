"""The Helm chart over a matrix of values, and the folders of kustomize."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from exporter import __version__
from exporter.cli.command import main as command
from scripts.publish_as import values
from tests.conftest import find_program
from tests.deploy.exporter_metrics import RULES, documents
from tests.running.starting import COMMAND, run_to_end
from tests_deploy.conftest import ROOT
from tests_deploy.manifests import (
    CHART,
    configuration,
    container,
    helm,
    kustomize,
    of_kind,
    pod,
    problems,
    template,
    workload,
)
from tests_deploy.releases import upgraded

if TYPE_CHECKING:
    from pathlib import Path

    from tests_deploy.manifests import Object

VALUES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
FOLDERS = ("base", "overlays/sharded", "overlays/replicas", "overlays/prometheus-operator", "overlays/webhooks")
SOURCES = [*VALUES, *FOLDERS]
CONFIGURED = [source for source in SOURCES if source != "token-by-variable"]
WITH_VOLUME = {"full", "sharded", "created-secret", "community"}
WITH_VOLUME |= {"base", "overlays/sharded", "overlays/webhooks", "overlays/prometheus-operator"}
SHARDED = {"sharded": 3, "sharded-in-memory": 2, "overlays/sharded": 3}
REPLICATED = {"replicas", "overlays/replicas"}


@cache
def rendered(source: str) -> list[Object]:
    return kustomize(source) if source in FOLDERS else template("--values", CHART / "ci" / f"{source}.yaml")


@pytest.mark.parametrize("values", VALUES)
def test_helm_lints_the_chart(values: str) -> None:
    done = helm("lint", "--strict", CHART, "--values", CHART / "ci" / f"{values}.yaml")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", VALUES)
def test_helm_3_renders_what_helm_4_renders(values: str) -> None:
    assert template("--values", CHART / "ci" / f"{values}.yaml", program="helm3") == rendered(values)


def test_every_object_fits_the_oldest_a_middle_and_the_newest_kubernetes_and_the_operator() -> None:
    every = {json.dumps(each): each for source in SOURCES for each in rendered(source)}

    assert problems([*every.values()]) == []


REFUSED: dict[str, dict[str, object]] = {
    "Deploiment": {"kind": "Deploiment"},
    "Deployment": {"spec": {"replica": 1}},
    "endpoint": {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": {"endpoint": []}},
    "PrometheusRules": {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRules"},
}


def test_an_unknown_kind_and_an_unknown_field_are_refused() -> None:
    (deployment,) = of_kind(rendered("minimal"), "Deployment")

    found = problems([deployment | change for change in REFUSED.values()])

    for refusal in REFUSED:
        assert any(refusal in line for line in found), refusal


@pytest.mark.parametrize("source", CONFIGURED)
def test_the_configuration_passes_the_exporters_own_check(source: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(configuration(rendered(source)), encoding="utf-8")

    done = run_to_end([COMMAND, "check", "--offline", "--config.file", file])

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", SOURCES)
def test_the_real_command_takes_the_containers_arguments(source: str) -> None:
    # This host is no pod with a number: the next test is about auto.
    given = container(rendered(source))["args"]
    name, *arguments = (each.replace("--shard=auto", "--shard=1") for each in given)

    context = command.commands[name].make_context(name, arguments)

    assert context.params["config_file"].as_posix() == "/etc/circleci-insights-exporter/config.yaml"
    assert context.params["config_watch"]


def test_the_command_takes_its_shard_from_the_pods_name_and_refuses_flags_that_it_does_not_know() -> None:
    assert "auto needs a host name that ends in -NUMBER" in CliRunner().invoke(command, ["run", "--shard=auto"]).output
    assert "No such option" in CliRunner().invoke(command, ["run", "--config.wotch"]).output


@pytest.mark.parametrize("source", SOURCES)
def test_pods_satisfy_the_restricted_pod_security_standard(source: str) -> None:
    specification = pod(rendered(source))
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
    for each in [*specification["containers"], *specification.get("initContainers", [])]:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & specification.keys()
    assert all(not {"name"} ^ volume.keys() - allowed for volume in specification["volumes"])
    assert specification["automountServiceAccountToken"] is False


@pytest.mark.parametrize("source", CONFIGURED)
def test_the_configuration_is_mounted_so_that_a_change_reaches_the_pod_without_a_restart(source: str) -> None:
    found = rendered(source)
    annotations = workload(found)["spec"]["template"]["metadata"].get("annotations", {})

    # A file mounted by subPath never changes, and a checksum would replace the pods.
    assert not any("subPath" in mount for mount in container(found)["volumeMounts"])
    assert not any("checksum" in name for name in annotations)
    (volume,) = [volume for volume in pod(found)["volumes"] if volume["name"] == "config"]
    assert volume["configMap"]["name"] in {each["metadata"]["name"] for each in of_kind(found, "ConfigMap")}


@pytest.mark.parametrize("source", SOURCES)
def test_probes_ask_the_routes_that_do_not_depend_on_circleci(source: str) -> None:
    found = container(rendered(source))

    assert found["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert found["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert found["livenessProbe"]["httpGet"].get("scheme", "HTTP") == ("HTTPS" if source == "full" else "HTTP")
    assert found["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("source", sorted(set(SOURCES) - SHARDED.keys() - REPLICATED))
def test_one_shard_is_a_deployment_which_stops_the_old_pod_first(source: str) -> None:
    (deployment,) = of_kind(rendered(source), "Deployment")

    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    if source in WITH_VOLUME:
        assert "path: /var/lib/circleci-insights-exporter/state.sqlite" in configuration(rendered(source))


@pytest.mark.parametrize("source", SHARDED)
def test_several_shards_are_a_stateful_set_that_tells_each_pod_the_number_of_all(source: str) -> None:
    found = rendered(source)
    (stateful,) = of_kind(found, "StatefulSet")
    arguments = container(found)["args"]

    assert stateful["spec"]["replicas"] == SHARDED[source]
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"
    assert "--shard=auto" in arguments
    assert f"--total-shards={SHARDED[source]}" in arguments
    assert bool(stateful["spec"].get("volumeClaimTemplates")) == (source in WITH_VOLUME)
    headless = next(s for s in of_kind(found, "Service") if s["metadata"]["name"] == stateful["spec"]["serviceName"])
    assert headless["spec"]["clusterIP"] == "None"
    assert pod(found)["topologySpreadConstraints"]


@pytest.mark.parametrize("source", SOURCES)
def test_selectors_find_the_pods(source: str) -> None:
    found = rendered(source)
    labels = workload(found)["spec"]["template"]["metadata"]["labels"].items()
    selectors = [workload(found)["spec"]["selector"]["matchLabels"]]
    selectors += [each["spec"]["selector"] for each in of_kind(found, "Service")]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(found, "NetworkPolicy")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(found, "PodDisruptionBudget")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(found, "PodMonitor")]

    assert all(selector and selector.items() <= labels for selector in selectors)


@pytest.mark.parametrize("source", ["full", "sharded", "replicas", "renamed", "overlays/prometheus-operator"])
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


@pytest.mark.parametrize(
    ("pods", "instances"),
    [
        (["circleci-insights-exporter-6d4cf56db6-x7k2p", "circleci-insights-exporter-5b8c9-24680"], 1),
        (["circleci-insights-exporter-0", "circleci-insights-exporter-1", "circleci-insights-exporter-12"], 3),
    ],
)
def test_kustomizes_service_monitor_names_a_shard_by_its_pod_and_a_single_exporter_by_itself(
    pods: list[str], instances: int
) -> None:
    (monitor,) = of_kind(rendered("overlays/prometheus-operator"), "ServiceMonitor")
    relabelings = monitor["spec"]["endpoints"][0]["relabelings"]

    found = [
        relabeled({"__meta_kubernetes_pod_name": pod, "pod": pod, "container": "exporter"}, relabelings) for pod in pods
    ]

    assert len({labels["instance"] for labels in found}) == instances
    assert all(not {"pod", "container"} & labels.keys() for labels in found)


def relabeled(target: dict[str, str], relabelings: list[Object]) -> dict[str, str]:
    """The labels of a target after its relabeling, as far as the manifests use that."""
    labels = dict(target)
    for each in relabelings:
        pattern = re.compile(each.get("regex", "(.*)"))
        if each.get("action") == "labeldrop":
            labels = {name: value for name, value in labels.items() if not pattern.fullmatch(name)}
        elif found := pattern.fullmatch(";".join(labels.get(name, "") for name in each.get("sourceLabels", []))):
            labels[each["targetLabel"]] = found.expand(each.get("replacement", "$1").replace("$1", r"\1"))
    return labels


@pytest.mark.parametrize("source", SOURCES)
def test_every_port_has_a_protocol(source: str) -> None:
    found = rendered(source)
    ports = [port for each in of_kind(found, "Service") for port in each["spec"]["ports"]]
    ports += [port for each in pod(found)["containers"] for port in each.get("ports", [])]

    assert ports
    assert all(port["protocol"] == "TCP" for port in ports)


def test_the_charts_rules_are_those_of_prometheus_with_the_thresholds_and_the_runbook_of_the_values() -> None:
    (rule,) = of_kind(rendered("full"), "PrometheusRule")
    text = json.dumps(rule["spec"]["groups"])
    shipped = [*documents(RULES / "recording.yml")["groups"], *documents(RULES / "alerts.yml")["groups"]]

    assert text.count("0.85  # success_objective") == json.dumps(shipped).count("0.9  # success_objective") == 3
    text = text.replace("0.85  # success_objective", "0.9  # success_objective")
    assert "https://wiki.example.org/circleci#circlecitokenrefused" in text
    assert (
        json.loads(text.replace("wiki.example.org/circleci", "runbooks.example.com/circleci-insights-exporter"))
        == shipped
    )


def test_the_charts_thresholds_are_by_default_those_of_prometheus() -> None:
    values = documents(CHART / "values.yaml")["prometheusRule"]["thresholds"]
    constants = re.findall(r"([\d.]+)  # (\w+)", "".join(path.read_text() for path in sorted(RULES.glob("*.yml"))))

    assert values == {name: float(number) for number, name in constants}


def test_a_project_and_an_organization_have_thresholds_of_their_own_by_values() -> None:
    (rule,) = of_kind(rendered("community"), "PrometheusRule")
    own = next(group for group in rule["spec"]["groups"] if group["name"] == "circleci-insights-thresholds")

    assert own["rules"] == [
        {
            "record": "circleci:threshold:organization_credits_per_day",
            "expr": "vector(100000)",
            "labels": {"organization": "gh/acme"},
        },
        {"record": "circleci:threshold:success_objective", "expr": "vector(0.5)", "labels": {"project": "gh/acme/web"}},
    ]


def test_a_renamed_chart_has_its_own_name_in_the_alert_for_an_exporter_that_is_down() -> None:
    (rule,) = of_kind(rendered("renamed"), "PrometheusRule")
    alerts = {each.get("alert"): each for group in rule["spec"]["groups"] for each in group["rules"]}

    assert 'job="insights"' in alerts["CircleCIExporterDown"]["expr"]


def test_alerts_are_switched_off_and_changed_by_values() -> None:
    (rule,) = of_kind(rendered("community"), "PrometheusRule")
    alerts = {each["alert"]: each for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each}
    shipped = {each["alert"]: each for group in documents(RULES / "alerts.yml")["groups"] for each in group["rules"]}

    assert shipped.keys() - alerts.keys() == {"CircleCIExporterDown"}
    assert alerts["CircleCIUnreachable"]["for"] == "1h"
    assert alerts["CircleCIUnreachable"]["labels"] == {
        "severity": "info",
        "component": "exporter",
        "cluster": "east",
        "tier": "3",
    }
    for name, alert in alerts.items():
        assert alert["labels"].items() >= {"cluster": "east"}.items()
        if name != "CircleCIUnreachable":
            assert alert["labels"]["severity"] == shipped[name]["labels"]["severity"]
            assert alert["for"] == shipped[name]["for"]


def test_alerts_carry_the_projects_labels_of_the_values_and_no_others() -> None:
    (rule,) = of_kind(rendered("community"), "PrometheusRule")
    text = json.dumps(rule["spec"])
    (bare,) = of_kind(
        template("--values", CHART / "ci/renamed.yaml", "--set-json", "prometheusRule.projectLabels=[]"),
        "PrometheusRule",
    )

    assert "max by (project, team, service) (circleci_insights_project_info)" in text
    assert "group_left (team, service) (" in text
    assert "group_left (team) " not in text
    assert "team" not in json.dumps([each for group in bare["spec"]["groups"] for each in group["rules"]])


@pytest.mark.parametrize("source", ["full", "community", "overlays/prometheus-operator"])
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

    assert len(maps) == len(shipped)
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
        (["--set", "token.existingSecret=a"], "config: give at least one of projects"),
        (["--set", "token.existingSecret=a,token.value=b", "--set", "config.projects={gh/a/b}"], "give one of them"),
        (["--values", "minimal", "--set", "shard=2"], "additional properties 'shard' not allowed"),
        (["--values", "minimal", "--set", "shards=0"], "shards"),
        (["--values", "minimal", "--set", "config.circleci.token_file=/x"], "config.circleci.token_file"),
        (["--values", "full", "--set", "config.state.path=/x"], "config.state"),
        (["--values", "full", "--set", "strategy.type=RollingUpdate"], "strategy"),
        (["--values", "full", "--set", "podMonitor.enabled=true"], "scrape everything twice"),
        (["--values", "minimal", "--set", "existingConfigMap=a"], "config and existingConfigMap"),
        (["--values", "community", "--set", "ingress.host="], "ingress.host"),
        (
            ["--values", "minimal", "--set", "ingress.enabled=true,ingress.host=a.example.com"],
            "webhooks.existingSecret",
        ),
        (["--values", "sharded", "--set", "ingress.enabled=true,ingress.host=a.example.com"], "ingress.enabled"),
        (
            ["--values", "sharded", "--set", "httpRoute.enabled=true,httpRoute.parentRefs[0].name=a"],
            "httpRoute.enabled",
        ),
        (["--values", "minimal", "--set", "httpRoute.enabled=true"], "webhooks.existingSecret"),
        (["--values", "full", "--set-json", "httpRoute.parentRefs=[]"], "httpRoute.parentRefs"),
        (["--values", "renamed", "--set", "prometheusRule.disabled={CircleCIDown}"], "there is no alert CircleCIDown"),
        (["--values", "renamed", "--set", "prometheusRule.overrides.Circle.for=1m"], "there is no alert Circle"),
        (["--values", "renamed", "--set", "prometheusRule.overrides.Circle.fort=1m"], "'fort' not allowed"),
        (["--values", "created-secret", "--set", "shards=2"], "persistence.existingClaim"),
        (["--values", "minimal", "--set", "replicaCount=2"], "set config.state.url"),
        (["--values", "replicas", "--set", "persistence.enabled=true"], "share a database, not a volume"),
        (["--values", "replicas", "--set", "shards=2"], "one release for each shard"),
        (["--values", "minimal", "--set", "database.existingSecret=a"], "config.state.url"),
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "config.circleci.token_file=/mnt/csi/token"],
        ["--set-json", 'extraEnv=[{"name":"CIRCLECI_TOKEN","valueFrom":{"secretKeyRef":{"name":"a","key":"b"}}}]'],
        ["--set-json", 'extraEnvFrom=[{"secretRef":{"name":"a"}}]'],
    ],
    ids=["a file of another volume", "a variable", "variables of a Secret"],
)
def test_the_token_may_come_without_a_secret_of_the_chart(arguments: list[str]) -> None:
    found = template("--set", "config.projects={gh/acme/web}", *arguments)

    assert {each["name"] for each in pod(found)["volumes"]} == {"config", "tmp"}
    assert "/run/secrets" not in configuration(found)


def test_a_config_map_of_ones_own_takes_the_place_of_the_charts() -> None:
    found = rendered("token-by-variable")
    (volume,) = [each for each in pod(found)["volumes"] if each["name"] == "config"]

    assert volume["configMap"]["name"] == "my-exporter"
    assert of_kind(found, "ConfigMap") == []


def test_every_object_is_in_the_namespace_of_the_values() -> None:
    found = rendered("community")

    assert {each["metadata"]["namespace"] for each in found} == {"ci-metrics"}


def test_what_the_values_add_reaches_the_pod_and_the_objects() -> None:
    found = rendered("community")
    specification = pod(found)
    maps = {each["metadata"]["name"] for each in of_kind(found, "ConfigMap")}
    service = next(each for each in of_kind(found, "Service"))

    assert [each["name"] for each in specification["initContainers"]] == ["vault-agent"]
    assert [each["name"] for each in specification["containers"]] == ["exporter", "vault-renewer"]
    assert specification["dnsConfig"] == {"options": [{"name": "ndots", "value": "2"}]}
    assert specification["hostAliases"][0]["hostnames"] == ["circleci.example.com"]
    assert workload(found)["spec"]["revisionHistoryLimit"] == 3
    assert container(found)["startupProbe"]["httpGet"]["path"] == "/-/healthy"
    assert service["metadata"]["labels"]["probe"] == "internal"
    assert {"rel-circleci-insights-exporter-notes", "rel-more"} < maps


@pytest.mark.parametrize("source", ["community", "overlays/webhooks"])
def test_the_ingress_lets_in_webhooks_alone(source: str) -> None:
    (ingress,) = of_kind(rendered(source), "Ingress")
    (rule,) = ingress["spec"]["rules"]

    assert [(each["path"], each["pathType"]) for each in rule["http"]["paths"]] == [("/webhooks/circleci", "Exact")]
    assert all(not of_kind(rendered(source), "Ingress") for source in VALUES if source != "community")


def test_a_route_of_the_gateway_api_lets_in_webhooks_alone() -> None:
    found = rendered("full")
    (route,) = of_kind(found, "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    (service,) = of_kind(found, "Service")

    assert rule["matches"] == [{"path": {"type": "Exact", "value": "/webhooks/circleci"}}]
    assert rule["backendRefs"] == [{"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}]
    assert all(not of_kind(rendered(source), "HTTPRoute") for source in VALUES if source != "full")


@pytest.mark.parametrize(
    ("registry", "repository", "image"),
    [
        ("", "registry.example.org/a/b", "registry.example.org/a/b:v1"),
        ("mirror.example.org", "registry.example.org:5000/a/b", "mirror.example.org/a/b:v1"),
        ("mirror.example.org", "a/b", "mirror.example.org/a/b:v1"),
        ("mirror.example.org", "b", "mirror.example.org/b:v1"),
    ],
)
def test_a_registry_takes_the_place_of_the_one_of_the_image(registry: str, repository: str, image: str) -> None:
    chosen = f"image.registry={registry},image.repository={repository},image.tag=v1"

    assert container(template("--values", CHART / "ci/minimal.yaml", "--set", chosen))["image"] == image


@pytest.mark.parametrize("source", ["sharded-in-memory", "replicas", "base", "overlays/prometheus-operator"])
def test_a_network_policy_lets_in_its_own_namespace_and_monitoring_and_not_the_whole_cluster(source: str) -> None:
    (policy,) = of_kind(rendered(source), "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]

    assert {"podSelector": {}} in rule["from"]
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert monitoring in rule["from"]
    assert {"namespaceSelector": {}} not in rule["from"]


def test_scraping_goes_through_a_proxy_and_lets_the_targets_labels_win_where_the_values_say_so() -> None:
    found = template("--values", CHART / "ci/full.yaml", "--set", "serviceMonitor.honorLabels=false")
    ((endpoint,),) = (each["spec"]["endpoints"] for each in of_kind(found, "ServiceMonitor"))

    assert endpoint["honorLabels"] is False
    assert endpoint["proxyUrl"] == "http://proxy.monitoring:3128"


def test_every_service_of_the_chart_has_the_ip_families_of_the_values() -> None:
    families = "service.ipFamilyPolicy=RequireDualStack,service.ipFamilies={IPv6,IPv4}"
    services = of_kind(template("--values", CHART / "ci/sharded.yaml", "--set", families), "Service")

    assert len(services) == 2
    assert {each["spec"]["ipFamilyPolicy"] for each in services} == {"RequireDualStack"}
    assert all(each["spec"]["ipFamilies"] == ["IPv6", "IPv4"] for each in services)


@pytest.mark.parametrize("source", ["full", "overlays/webhooks"])
def test_the_secret_of_the_webhooks_is_a_file_of_the_pod(source: str) -> None:
    found = rendered(source)
    (mount,) = [each for each in container(found)["volumeMounts"] if each["name"] == "webhooks"]

    assert yaml.safe_load(configuration(found))["webhooks"]["secret_file"] == f"{mount['mountPath']}/secret"


def test_a_webhook_secret_is_mounted_where_the_configuration_looks_for_it() -> None:
    found = template("--values", CHART / "ci/minimal.yaml", "--set", "webhooks.existingSecret=hooks,webhooks.key=both")
    (mount,) = [each for each in container(found)["volumeMounts"] if each["name"] == "webhooks"]
    (volume,) = [each for each in pod(found)["volumes"] if each["name"] == "webhooks"]
    file = yaml.safe_load(configuration(found))["webhooks"]["secret_file"]

    assert volume["secret"]["secretName"] == "hooks"
    assert [f"{mount['mountPath']}/{each['path']}" for each in volume["secret"]["items"]] == [file]
    assert volume["secret"]["items"][0]["key"] == "both"


def test_a_pod_monitor_scrapes_as_the_service_monitor_does() -> None:
    (monitor,) = of_kind(rendered("community"), "PodMonitor")
    (other,) = of_kind(
        template(
            "--values", CHART / "ci/community.yaml", "--set", "podMonitor.enabled=false,serviceMonitor.enabled=true"
        ),
        "ServiceMonitor",
    )

    assert monitor["spec"].pop("podMetricsEndpoints") == other["spec"].pop("endpoints")
    assert monitor["spec"] == other["spec"]
    assert monitor["spec"]["sampleLimit"] == 200000


@pytest.mark.parametrize("program", ["helm", "helm3"])
@pytest.mark.parametrize(
    ("config", "where", "said"),
    [
        ({"collectors": ["runss"]}, "defaults.collectors.0", "'flaky_tests', 'tests', 'runs', 'pipelines'"),
        ({"interval": 10}, "defaults.interval", "string"),
        ({"intervall": "10m"}, "defaults", "'intervall' not allowed"),
    ],
)
def test_the_chart_refuses_a_configuration_that_the_program_would_refuse_and_says_where(
    config: dict[str, object], where: str, said: str, program: str, tmp_path: Path
) -> None:
    values = yaml.safe_load((CHART / "ci/minimal.yaml").read_text(encoding="utf-8"))
    values["config"]["defaults"] = config
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")

    done = helm("template", "rel", CHART, "--values", file, program=program)

    # The two majors differ in how they write a path, a list and a name.
    plain = (
        done.stderr.replace("/config/", "config/")
        .replace("/", ".")
        .replace('"', "'")
        .replace("Additional property intervall is", "'intervall'")
    )
    assert done.returncode != 0
    assert f"config.{where}" in plain
    assert said in plain


@pytest.mark.parametrize(
    ("monitors", "scraped"),
    [({}, False), ({"serviceMonitor": {"enabled": True}}, True), ({"podMonitor": {"enabled": True}}, True)],
)
def test_the_notes_say_where_nothing_scrapes(monitors: dict[str, object], scraped: bool, tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "ci/minimal.yaml").read_text(encoding="utf-8"))

    release = upgraded({**values, **monitors}, folder=tmp_path)

    assert ("Nothing scrapes it yet" in release["info"]["notes"]) is not scraped


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, False),
        ({"persistence": {"enabled": True}}, True),
        ({"config": {"projects": ["gh/acme/web"], "state": {"url": "postgresql://x@db/x"}}}, True),
        ({"config": {}, "existingConfigMap": "mine"}, True),
    ],
)
def test_the_notes_say_what_happens_to_counters_without_a_state(
    changes: dict[str, object], kept: bool, tmp_path: Path
) -> None:
    values = yaml.safe_load((CHART / "ci/minimal.yaml").read_text(encoding="utf-8"))

    release = upgraded({**values, **changes}, folder=tmp_path)

    assert ("`runs` and `pipelines` begin at 0" in release["info"]["notes"]) is not kept


@pytest.mark.parametrize(
    ("config", "counts"),
    [
        ({"projects": ["gh/acme/web"]}, False),
        ({"projects": ["gh/acme/web"], "defaults": {"collectors": ["workflows", "pipelines"]}}, True),
        ({"projects": ["gh/acme/web", {"slug": "gh/acme/api", "collectors": ["runs"]}]}, True),
    ],
)
def test_the_notes_say_that_no_runs_are_counted_and_where_to_read_on(
    config: dict[str, object], counts: bool, tmp_path: Path
) -> None:
    minimal = yaml.safe_load((CHART / "ci/minimal.yaml").read_text(encoding="utf-8"))

    release = upgraded({**minimal, "config": config}, folder=tmp_path)

    assert ("It counts no runs" in release["info"]["notes"]) is not counts
    assert f"{values(ROOT)['REPOSITORY']}/blob/main/deploy/prometheus/README.md" in release["info"]["notes"]


@pytest.mark.parametrize("values", VALUES)
def test_helm_test_asks_the_service_for_readiness_as_the_image_asks_for_health(values: str) -> None:
    found = rendered(values)
    (test,) = of_kind(found, "Pod")
    (only,) = test["spec"]["containers"]
    (asked,) = only["env"]
    service = of_kind(found, "Service")[0]
    scheme, rest = asked["value"].split("://")
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")

    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert scheme.upper() == container(found)["livenessProbe"]["httpGet"]["scheme"]
    assert rest == f"{service['metadata']['name']}.{service['metadata']['namespace']}:10115/-/ready"
    assert asked["name"] == "HEALTH_URL"
    assert (
        f"HEALTHCHECK --interval=15s --timeout=5s --start-period=5s --retries=3 CMD {json.dumps(only['command'])}"
        in (dockerfile)
    )
    assert not service["spec"]["selector"].items() <= test["metadata"]["labels"].items()
    for policy in of_kind(found, "NetworkPolicy"):
        senders = policy["spec"]["ingress"][0].get("from")
        assert senders is None or {"podSelector": {"matchLabels": test["metadata"]["labels"]}} in senders


def test_the_charts_description_is_complete_and_names_no_placeholder_but_those_that_a_release_refuses() -> None:
    text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    chart = yaml.safe_load(text)

    assert chart["version"] == chart["appVersion"] == __version__
    assert chart["maintainers"]
    assert chart["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    assert {"home", "icon", "sources"} <= chart.keys()
    assert "example" not in text.replace(values(ROOT)["REPOSITORY"], "")


def test_the_chart_can_be_packaged(tmp_path: Path) -> None:
    done = helm("package", CHART, "--destination", tmp_path)

    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [f"circleci-insights-exporter-{__version__}.tgz"]
