"""Write the parts of deploy/ that are made from others: versions, rules for chart and kustomize, README and schema."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from exporter import __version__
from exporter.config import json_schema

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
CHART = DEPLOY / "helm" / "circleci-insights-exporter"
KUBERNETES = DEPLOY / "kubernetes"
OPERATOR = KUBERNETES / "overlays" / "prometheus-operator"
DASHBOARDS = DEPLOY / "grafana" / "dashboards"
VERSIONED = (CHART / "Chart.yaml", KUBERNETES / "base" / "kustomization.yaml", KUBERNETES / "README.md")
VERSION = re.compile(r"(^version: |^appVersion: |\bnewTag: )[\w.+-]+", re.MULTILINE)
KEY = re.compile(r"^(?P<indent> *)(?P<name>[\w-]+):(?: (?P<value>.*))?$")
LOOK_AROUND = re.compile(r"\(\?<?!(?:[^()]|\([^()]*\))*\)")
VALUES = "<!-- values: written by `make dashboards` from values.yaml -->"
RULE = """# Written by `make dashboards` from deploy/prometheus/rules.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: circleci-insights-exporter
spec:
  groups:
"""


def groups(path: Path) -> str:
    """The groups of a file of rules, as text, two places further in."""
    text = path.read_text(encoding="utf-8")
    lines = text[text.index("\ngroups:\n") + len("\ngroups:\n") :].splitlines()
    return "\n".join(f"  {line}" if line else "" for line in lines) + "\n"


def values_table(text: str) -> str:
    """A table of values.yaml: each key that has a comment right above it."""
    rows, path, comment = [], [""], ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            said = line.lstrip("# ").strip()
            comment = f"{comment} {said}".strip()
            continue
        if found := KEY.match(line):
            depth = len(found["indent"]) // 2
            path[depth:] = [found["name"]]
            if comment:
                value = found["value"] or "see `values.yaml`"
                shown = value if value.startswith("see ") else f"`{value}`"
                name = ".".join(path[: depth + 1])
                rows.append(f"| `{name}` | {shown} | {comment} |".replace("||", "|"))
        comment = ""
    return "| value | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def chart_readme() -> str:
    """The README of the chart, with the table of values in its place."""
    text = (CHART / "README.md").read_text(encoding="utf-8")
    before, _, _ = text.partition(VALUES)
    values = (CHART / "values.yaml").read_text(encoding="utf-8").partition("\n\n")[2]
    return f"{before}{VALUES}\n\n{values_table(values)}"


def values_schema() -> str:
    """The schema of the chart's values, with the program's own for the configuration."""
    values: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    own = for_helm(json_schema())
    values["properties"]["config"] = {
        key: own[key] for key in ("type", "description", "additionalProperties", "properties")
    }
    values["definitions"] = own["$defs"]
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def for_helm(part: Any) -> Any:  # noqa: ANN401  any part of a schema
    """A schema without what Helm cannot read: it knows draft 7, and Go's patterns look neither ahead nor back.

    What the patterns then let pass, the program refuses.
    """
    if isinstance(part, dict):
        return {LOOK_AROUND.sub("", key): for_helm(value) for key, value in part.items()}
    if isinstance(part, list):
        return [for_helm(each) for each in part]
    if isinstance(part, str):
        return LOOK_AROUND.sub("", part).replace("#/$defs/", "#/definitions/")
    return part


def documents() -> dict[Path, str]:
    """The text of every file that is made from others."""
    made = {CHART / "README.md": chart_readme(), CHART / "values.schema.json": values_schema()}
    for path in VERSIONED:
        made[path] = VERSION.sub(rf"\g<1>{__version__}", path.read_text(encoding="utf-8"))
    for name in ("recording.yml", "alerts.yml"):
        made[CHART / "files" / "rules" / name] = (RULES / name).read_text(encoding="utf-8")
    for path in sorted(DASHBOARDS.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        made[CHART / "files" / "dashboards" / path.name] = text
        made[OPERATOR / "dashboards" / f"circleci-{path.name}"] = text
    parts = [groups(RULES / name) for name in ("recording.yml", "alerts.yml")]
    made[OPERATOR / "prometheusrule.yaml"] = RULE + "".join(parts)
    return made


def main(arguments: list[str]) -> int:
    """Write them; with --check say which differ, and exit 1 then."""
    differ = [
        (path, text)
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in differ:
        print(path.relative_to(DEPLOY.parent))
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(bool(differ) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
