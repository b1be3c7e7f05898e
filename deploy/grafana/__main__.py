"""Write the dashboards as JSON, for Grafana's provisioning."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import cost, delivery, exporter_health, now, overview, workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = {
    "overview": overview,
    "now": now,
    "workflow": workflow,
    "delivery": delivery,
    "cost": cost,
    "exporter": exporter_health,
}
FOLDER = Path(__file__).parent / "dashboards"


def everything(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All rows and panels, those of collapsed rows too."""
    for panel in panels:
        yield panel
        yield from panel.get("panels") or []


def documents() -> dict[str, str]:
    """The text of each dashboard by its file's name."""
    texts = {}
    for name, part in PARTS.items():
        document = json.loads(json.dumps(part.build().build(), cls=JSONEncoder))
        for identity, panel in enumerate(everything(document["panels"]), start=1):
            panel["id"] = identity
        # The library gives every variable the fields of an interval, which Grafana's schema refuses.
        for variable in document["templating"]["list"]:
            for field in ("auto", "auto_count", "auto_min", "definition"):
                variable.pop(field, None)
        # So with a footer of tables.
        for panel in everything(document["panels"]):
            if panel["type"] == "table":
                panel["options"].pop("footer", None)
        texts[f"{name}.json"] = json.dumps(document, indent=2, sort_keys=True) + "\n"
    return texts


def main(arguments: list[str]) -> int:
    """Write all of them; with --check say which differ, and exit 1 then."""
    differ = []
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            differ.append(path.name)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    sys.stdout.write("".join(f"{name}\n" for name in differ))
    return int(bool(differ) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
