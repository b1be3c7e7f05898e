"""What `demo` runs against: the synthetic CircleCI, and a configuration with every collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from exporter.config import Config, parse
from exporter.config.file import UsageSettings
from exporter.demo import SyntheticCircleCI
from exporter.demo.organization import Organization
from exporter.insights.collectors import OF_PROJECTS

REFRESH = 10.0
"""Seconds between two aggregations of the synthetic CircleCI: CircleCI's own take a day."""
DELAY = 60.0
"""Seconds until Insights lists what happened to a run: CircleCI's own take up to a day."""
PACE = 200.0
"""How many times as many runs as its projects would have, so that something happens while somebody looks."""

# Insights is a minute late here: sweeps every 10 s bring the credits of a run soon after.
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 200, burst: 100}}
runners: {{url: "{url}", namespaces: [acme], interval: 5s}}
defaults:
  interval: 10s
  windows: [last-7-days, last-30-days]
  collectors: [{collectors}]
  runs: {{interval: 10s, sweep: 10s}}
  pipelines: {{interval: 5s, idle_interval: 30s}}
  flaky_tests: {{top: 5}}
  tests: {{top: 5}}
  labels: {{team: demo}}
projects: [gh/acme/web]
organizations: [{organizations}]
"""


@contextmanager
def stage(seed: int) -> Iterator[tuple[Config, Mapping[str, str]]]:
    """Run the synthetic CircleCI; gives a configuration for its organizations, and the environment with its token."""
    with SyntheticCircleCI(Organization(seed=seed, refresh=REFRESH, delay=DELAY, pace=PACE)) as circle:
        text = CONFIGURATION.format(
            url=circle.url,
            collectors=", ".join(OF_PROJECTS),
            organizations=", ".join(
                f"{{slug: {slug}, discovery_interval: 10s}}" for slug in circle.organization.roster.owners()
            ),
        )
        # In a file, usage needs a state that lasts. What the demo counts need not outlast it.
        usage = UsageSettings.model_validate(
            {"organizations": list(circle.organization.roster.owners()), "interval": "10s"}
        )
        config = parse(text, "the demo's configuration").model_copy(update={"usage": usage})
        yield config, {"CIRCLECI_TOKEN": circle.token}
