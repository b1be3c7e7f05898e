"""The exporter's own metrics: what exists from the start, what only once it is known."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from exporter.errors import REASONS
from exporter.telemetry import RecentRequests, Telemetry

NAMES = ("workflows", "jobs")


def samples(telemetry: Telemetry) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(telemetry.render(openmetrics=False).decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_bounded_label_sets_exist_at_zero_from_the_start() -> None:
    found = samples(Telemetry("1.2.3", NAMES))
    failures = {name for name in found if name.startswith("circleci_exporter_collector_failures_total")}
    assert failures == {
        f"circleci_exporter_collector_failures_total{{collector={name},reason={reason}}}"
        for name in NAMES
        for reason in REASONS
    }
    assert all(found[name] == 0 for name in failures)
    assert found["circleci_exporter_api_retries_total{reason=throttled}"] == 0


def test_what_is_not_known_has_no_sample() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    late = {
        "circleci_exporter_up",
        "circleci_exporter_api_rate_limit_remaining",
        "circleci_exporter_api_rate_limit_limit",
    }
    assert late.isdisjoint(samples(telemetry))
    telemetry.api_up(True)
    telemetry.quota(7, None)
    assert samples(telemetry)["circleci_exporter_up"] == 1
    assert samples(telemetry)["circleci_exporter_api_rate_limit_remaining"] == 7
    assert "circleci_exporter_api_rate_limit_limit" not in samples(telemetry)
    telemetry.quota(None, 300)
    telemetry.api_up(False)
    assert samples(telemetry)["circleci_exporter_api_rate_limit_limit"] == 300
    assert samples(telemetry)["circleci_exporter_up"] == 0


def test_a_request_is_counted_by_template_and_code() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    telemetry.request("/insights/{slug}/workflows", "200", 0.2)
    telemetry.request("/insights/{slug}/workflows", "error", 0.3)
    found = samples(telemetry)
    labels = "code=200,endpoint=/insights/{slug}/workflows"
    assert found[f"circleci_exporter_api_requests_total{{{labels}}}"] == 1
    assert found["circleci_exporter_api_request_duration_seconds_count{endpoint=/insights/{slug}/workflows}"] == 2
    assert telemetry.recent.by_code() == {"200": 1, "error": 1}
    assert telemetry.recent.newest == "error"


def test_requests_of_the_last_hour_are_forgotten_by_the_minute() -> None:
    now = 6000.0
    recent = RecentRequests(lambda: now)
    recent.add("200")
    now += 59 * 60
    recent.add("429")
    recent.add("429")
    assert recent.by_code() == {"200": 1, "429": 2}
    now += 60
    assert recent.by_code() == {"429": 2}
    now += 3600
    assert recent.by_code() == {}


def test_a_failed_reload_keeps_the_time_of_the_last_good_one() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    telemetry.reloaded(True)
    time = samples(telemetry)["circleci_exporter_config_last_reload_success_timestamp_seconds"]
    assert time > 0
    telemetry.reloaded(False)
    found = samples(telemetry)
    assert found["circleci_exporter_config_last_reload_successful"] == 0
    assert found["circleci_exporter_config_last_reload_success_timestamp_seconds"] == time


def test_unreadable_fields_are_counted_by_their_path() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    telemetry.unread("workflows", {"metrics.mttr": 3})
    name = "circleci_exporter_unreadable_fields_total{collector=workflows,field=metrics.mttr}"
    assert samples(telemetry)[name] == 3


def test_fields_that_can_be_unreadable_are_at_zero_before_one_is() -> None:
    telemetry = Telemetry("1.2.3", NAMES, fields={"workflows": ("name", "metrics.mttr")})
    name = "circleci_exporter_unreadable_fields_total{{collector=workflows,field={}}}"
    found = samples(telemetry)
    assert (found[name.format("name")], found[name.format("metrics.mttr")]) == (0, 0)
    telemetry.unread("workflows", {"metrics.mttr": 1})
    found = samples(telemetry)
    assert (found[name.format("name")], found[name.format("metrics.mttr")]) == (0, 1)


def test_what_hostile_clients_do_is_counted_by_kind() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    telemetry.web_incident("evicted")
    telemetry.web_incident("evicted")
    assert samples(telemetry)["circleci_exporter_web_incidents_total{kind=evicted}"] == 2


def test_requests_of_the_webhook_route_are_counted_from_zero_where_there_is_one() -> None:
    telemetry, family = Telemetry("1.2.3", NAMES), "circleci_exporter_webhooks_total"
    assert not [name for name in samples(telemetry) if name.startswith(family)]
    count = telemetry.webhooks(("one", "other"), ("accepted", "busy"))
    count("one", "busy", 1)
    assert {name: value for name, value in samples(telemetry).items() if name.startswith(family)} == {
        f"{family}{{event=one,result=accepted}}": 0,
        f"{family}{{event=one,result=busy}}": 1,
        f"{family}{{event=other,result=accepted}}": 0,
        f"{family}{{event=other,result=busy}}": 0,
    }
    assert family in {name for name, *_ in telemetry.described()}


def test_series_are_shown_for_every_collector_also_those_without_one() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    telemetry.show(3, {"jobs": 120})
    found = samples(telemetry)
    assert found["circleci_exporter_projects"] == 3
    assert found["circleci_exporter_series{collector=jobs}"] == 120
    assert found["circleci_exporter_series{collector=workflows}"] == 0


def test_everything_that_it_shows_is_described() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    telemetry.api_up(True)
    telemetry.quota(1, 1)
    described = {name for name, *_ in telemetry.described()}
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(telemetry.render(openmetrics=False).decode())
    }
    assert {name for name in shown if name.startswith("circleci_exporter_")} == described


def test_openmetrics_is_left_open_for_what_stands_before_it() -> None:
    assert not Telemetry("1.2.3", NAMES).render(openmetrics=True).endswith(b"# EOF\n")


def test_a_failure_is_shown_at_the_next_scrape_in_both_formats() -> None:
    telemetry = Telemetry("1.2.3", NAMES)
    line = b'circleci_exporter_collector_failures_total{collector="jobs",reason="timeout"}'
    for count in range(3):
        for openmetrics in (False, True):
            assert b"%b %d.0\n" % (line, count) in telemetry.render(openmetrics=openmetrics)
        telemetry.failed("jobs", "timeout")
