"""Kubernetes objects: rendered by helm or kustomize, and held to the schemas of what reads them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import yaml

from tests_deploy.conftest import ROOT, tool

if TYPE_CHECKING:
    from pathlib import Path

CHART = ROOT / "deploy" / "helm" / "circleci-insights-exporter"
KUSTOMIZE = ROOT / "deploy" / "kubernetes"
NODE = ROOT / "tests_deploy" / "node"
MODELS = {
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
}

Object = dict[str, Any]


def helm(*arguments: str | Path, program: str = "helm") -> subprocess.CompletedProcess[str]:
    """Run helm; the caller looks at its exit code."""
    return subprocess.run([tool(program), *arguments], check=False, capture_output=True, text=True)


def template(*arguments: str | Path, chart: Path = CHART, program: str = "helm") -> list[Object]:
    """The objects of the chart."""
    done = helm("template", "rel", chart, "--namespace", "ci", *arguments, program=program)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def kustomize(folder: str | Path) -> list[Object]:
    """The objects of a folder of kustomize, of deploy/ or elsewhere."""
    done = subprocess.run(
        [tool("kubectl"), "kustomize", KUSTOMIZE / folder], check=True, capture_output=True, text=True
    )
    return objects(done.stdout)


def objects(text: str) -> list[Object]:
    """The documents of a stream of YAML."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]  # 20 times faster


def problems(found: list[Object]) -> list[str]:
    """What three versions of Kubernetes and the CRDs of others would refuse; unknown kinds among it."""
    own = [each for each in found if each["apiVersion"] in MODELS]
    core = [each for each in found if each["apiVersion"] not in MODELS]
    return [*_kubernetes(core), *_modeled(own)]


def _kubernetes(found: list[Object]) -> list[str]:
    python = ROOT / ".venv-deploy" / "bin" / "python"
    script = ROOT / "tests_deploy" / "kubernetes_schemas.py"
    done = subprocess.run([python, script], input=json.dumps(found), check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def _modeled(found: list[Object]) -> list[str]:
    """The models refuse wrong values, the compiler refuses fields that they do not have."""
    if not found:
        return []
    command: list[str | Path] = ["node", NODE / "crd.mjs"]
    done = subprocess.run(command, input=json.dumps(found), check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    # Beside the packages that it imports.
    source = NODE / f"objects-{uuid4().hex}.ts"
    kinds = sorted({(each["kind"], MODELS[each["apiVersion"]]) for each in found})
    source.write_text(
        "".join(f"import type {{ I{kind} }} from '{module}/{kind}';\n" for kind, module in kinds)
        + "".join(
            f"export const object{index}: I{each['kind']} = {json.dumps(each)};\n" for index, each in enumerate(found)
        ),
        encoding="utf-8",
    )
    flags = (
        "--noEmit --strict --skipLibCheck --module nodenext --moduleResolution nodenext --target es2022 --ignoreConfig"
    )
    try:
        compiled = subprocess.run(
            [NODE / "node_modules/.bin/tsc", *flags.split(), source], check=False, capture_output=True, text=True
        )
    finally:
        source.unlink()
    return [*lines, *(compiled.stdout.splitlines() if compiled.returncode else [])]


def of_kind(found: list[Object], kind: str) -> list[Object]:
    """The objects of one kind."""
    return [each for each in found if each["kind"] == kind]


def workload(found: list[Object]) -> Object:
    """The only Deployment or StatefulSet."""
    (only,) = [*of_kind(found, "Deployment"), *of_kind(found, "StatefulSet")]
    return only


def pod(found: list[Object]) -> Object:
    """The specification of its pods."""
    specification: Object = workload(found)["spec"]["template"]["spec"]
    return specification


def container(found: list[Object]) -> Object:
    """The exporter's container."""
    containers: list[Object] = pod(found)["containers"]
    (only,) = [each for each in containers if each["name"] == "exporter"]
    return only


def configuration(found: list[Object]) -> str:
    """The exporter's configuration file."""
    (text,) = [
        each["data"]["config.yaml"] for each in of_kind(found, "ConfigMap") if "config.yaml" in each.get("data", {})
    ]
    return str(text)
