"""The committed dashboards are what their code writes."""

from __future__ import annotations

import subprocess

from tests_deploy.conftest import ROOT


def test_the_dashboards_are_as_their_code_says() -> None:
    python = ROOT / ".venv-deploy" / "bin" / "python"

    done = subprocess.run(
        [python, "-m", "deploy.grafana", "--check"], check=False, cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, f"make dashboards would change {done.stdout}"
