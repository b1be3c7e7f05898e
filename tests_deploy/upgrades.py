"""What Kubernetes refuses of an upgrade, and what Helm deletes with it: pure rules over the objects before and after.

They hold in seconds what test_upgrades_on_an_api_server.py tries on a real one. As Kubernetes documents them: which
fields may change (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/), and that a default which the
server has set stays when the objects are applied by the server
(https://kubernetes.io/docs/reference/using-api/server-side-apply/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests_deploy.manifests import Object

MUTABLE = {
    "Deployment": {
        "minReadySeconds",
        "paused",
        "progressDeadlineSeconds",
        "replicas",
        "revisionHistoryLimit",
        "strategy",
        "template",
    },
    "StatefulSet": {
        "minReadySeconds",
        "ordinals",
        "persistentVolumeClaimRetentionPolicy",
        "replicas",
        "template",
        "updateStrategy",
    },
    "PersistentVolumeClaim": {"resources", "volumeAttributesClassName"},
}
"""Fields of a specification that may change. revisionHistoryLimit of a StatefulSet may not before Kubernetes 1.33."""
DEFAULTS = {"revisionHistoryLimit": 10}
"""What the server has filled in where nothing was said."""


def refused(before: list[Object], after: list[Object]) -> list[str]:
    """The fields whose change Kubernetes refuses when `after` is applied by the server where `before` lives."""
    live = {_identity(each): each for each in before}
    return [
        f"{each['kind']} {name}"
        for each in after
        if _identity(each) in live
        for name in _refused_fields(live[_identity(each)], each)
    ]


def deleted(before: list[Object], after: list[Object]) -> list[Object]:
    """The objects that Helm deletes: those that are no longer there, unless they are marked to be kept."""
    stay = {_identity(each) for each in after}
    return [
        each
        for each in before
        if _identity(each) not in stay
        and each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") != "keep"
    ]


def _identity(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def _refused_fields(before: Object, after: Object) -> Iterator[str]:
    old, new = before.get("spec", {}), after.get("spec", {})
    if (mutable := MUTABLE.get(after["kind"])) is not None:
        filled = DEFAULTS.get
        names = (old.keys() | new.keys()) - mutable
        yield from sorted(name for name in names if old.get(name, filled(name)) != new.get(name, filled(name)))
    if after["kind"] == "Deployment":
        # The server has filled in rollingUpdate where nothing was said of it, and nobody takes it away.
        strategy = old.get("strategy", {})
        filled_in = strategy.get("type", "RollingUpdate") == "RollingUpdate" and "rollingUpdate" not in strategy
        if filled_in and new.get("strategy", {}).get("type") == "Recreate":
            yield "strategy"
    if after["kind"] == "Service" and old.get("clusterIP") != new.get("clusterIP"):
        yield "clusterIP"
