"""The built-in organization: what `demo` shows. Names are fixed, a seed decides what happens."""

from __future__ import annotations

from exporter.demo.draws import uuid_for
from exporter.demo.model import DemoJob as Job
from exporter.demo.model import DemoProject, Owner
from exporter.demo.model import DemoWorkflow as Workflow

_LINT, _UNIT, _INTEGRATION = Job("lint", 0.15), Job("unit-tests", 0.45), Job("integration-tests", 0.7)
_IMAGE, _E2E = Job("build-image", 0.3), Job("end-to-end-tests", 0.8)
_HOLD, _STAGING, _PRODUCTION = Job("hold", approval=True), Job("deploy-staging", 0.3), Job("deploy-production", 0.4)

_WEB = (
    Workflow(
        "build-and-test",
        (_LINT, _UNIT, _INTEGRATION, _IMAGE, _E2E),
        runs_per_day=24,
        seconds=540,
        failure=0.12,
        tests=1532,
    ),
    Workflow("nightly", (_E2E, Job("lighthouse", 0.2), Job("visual-diff", 0.5)), 1, 2700, 0.2, on_default=1),
    Workflow("deploy", (_IMAGE, _HOLD, _STAGING, _PRODUCTION), 6, 700, 0.05, held=0.15, on_default=1),
    Workflow("preview", (_IMAGE, Job("deploy-preview", 0.5)), 10, 240, 0.08, on_default=0),  # feature branches only
)
_API = (
    Workflow("test", (_LINT, _UNIT, Job("contract-tests", 0.6)), 16, 420, 0.3, flaky=True, tests=860),  # the flaky one
    Workflow("release", (_IMAGE, Job("sign", 0.1), Job("publish", 0.3)), 2, 380, 0, 0, on_default=1),  # never failed
    Workflow("migrations", (Job("migrate-up", 0.5), Job("migrate-down", 0.4)), 4, 160, 0.06),
    Workflow("security-scan", (Job("dependency-scan", 0.6), Job("image-scan", 0.5)), 1, 600, 0.15, on_default=1),
)
_MOBILE = (
    Workflow(
        "ci",
        (_LINT, _UNIT, Job("build-android", 0.7), Job("build-ios", 0.95), Job("ui-tests", 0.6)),
        12,
        1500,
        0.1,
        slower=2.4,  # the one that got slow
        tests=2210,
    ),
    Workflow("beta", (Job("build-ios", 0.9), Job("upload-testflight", 0.2)), 1, 2000, 0.1, on_default=1),
    Workflow("screenshots", (Job("capture", 0.8), Job("upload", 0.1)), 1, 1800, 0.25, on_default=1),
)
# Names are free text in CircleCI. Each of these breaks something that does not encode or escape.
_ODD = (
    Workflow("build / test & deploy", (Job("unit tests (100 %)", 0.5), Job("lint/format", 0.2)), 5, 200),
    Workflow("50%_off?page=2#top", (Job("a?b=c&d#e", 0.5), Job("100%25", 0.2)), 3, 150),
    Workflow("größe 日本語 🚀", (Job("prüfung", 0.5), Job("テスト", 0.4)), 3, 180),
    Workflow('say "hi" \\ {now}', (Job('back\\slash "quoted"', 0.6), Job("it's,ok", 0.3)), 3, 120),
    Workflow("<script>alert(1)</script>", (Job("<b>bold</b>", 0.5), Job("&amp;", 0.3)), 2, 90),
)
_BILLING = (
    Workflow("build", (_LINT, _UNIT, _IMAGE), 7, 330, 0.1, tests=410),
    Workflow("invoices", (Job("render", 0.5), Job("reconcile", 0.5)), 2, 900, 0.05, on_default=1),
    Workflow("legacy-import", (Job("import", 0.9),), 2, 1200, 0.1, on_default=1, measured=False),  # null durations
)
_PLATFORM = (
    Workflow("plan", (Job("validate", 0.2), Job("plan", 0.6), Job("policy", 0.3)), 9, 210, 0.09),
    Workflow("apply", (Job("plan", 0.4), _HOLD, Job("apply", 0.6)), 3, 480, 0.07, held=0.2, on_default=1),
)


def builtin(seed: int) -> tuple[DemoProject, ...]:
    """Six projects with 21 workflows of three organizations, of every kind of slug."""

    def owner(vcs: str, name: str, ref: str) -> Owner:
        return Owner(vcs, name, ref, uuid_for(f"{seed}|owner|{name}"))

    def project(
        of: Owner,
        name: str,
        workflows: tuple[Workflow, ...],
        branches: tuple[str, ...],
        *,
        ref: str = "",
        default: str = "main",
    ) -> DemoProject:
        ident = uuid_for(f"{seed}|project|{of.slug}|{name}")
        return DemoProject(of, name, ref or name, ident, default, branches, workflows)

    acme, initech = owner("gh", "acme", "acme"), owner("bb", "initech", "initech")
    app = owner("circleci", "acme-platform", "8vLqd1AbCdEf")
    return (
        project(acme, "web", _WEB, ("release/2.0", "feature/checkout", "feature/dark-mode", "fix/cart-total")),
        project(acme, "api", _API, ("release/2.0", "release/2.1", "feature/graphql")),
        project(acme, "mobile", _MOBILE, ("main", "feature/biometrics"), default="develop"),
        project(acme, "odd.names_1", _ODD, ("feature/a b", "fix/#42?", "größe/100%", 'quote"d\\branch')),
        project(initech, "billing", _BILLING, ("hotfix/rounding",), default="master"),
        project(app, "platform", _PLATFORM, ("feature/vpc",), ref="43G3kM5RtfFE"),
    )
