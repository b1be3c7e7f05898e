"""The page: what it shows, that hostile names stay text, and that its size is bounded."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import exporter.web.page.html
from exporter.web.page.html import Page
from exporter.web.page.overview import ComparedView, Health, NowView, Overview, Phase, RedView
from tests.web.published import API, NOW, collector, overview, project, run_in_progress, workflow

FOLDER = Path(exporter.web.page.html.__file__).parent
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "a\u202eb\x00c\ud800",
    "]]><!--",
]


class Outline(HTMLParser):
    """What matters of a page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("dt", "dd", "li"):
            self.text += " "
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def render(view: Overview, **parameters: str) -> Outline:
    page = Page(lambda: view, telemetry_path="/metrics", refresh_seconds=15, clock=lambda: NOW)
    outline = Outline(page.render(parameters).decode())
    assert outline.open == []
    outline.text = " ".join(outline.text.split())
    return outline


VIEW = overview(
    [
        project("acme/web"),
        project(
            "acme/payments",
            collector("workflows", Health.FAILING, age=15000, error="404: not found"),
            collector("jobs"),
        ),
        project("acme/new", collector("workflows", Health.PENDING), default_branch=None),
    ],
    [
        workflow("acme/web", "build", 0.953, previous_success_ratio=0.93, previous_p95_seconds=400),
        workflow("acme/web", "nightly", None, median_seconds=None, p95_seconds=None, runs=None),
        workflow("acme/payments", "deploy", 0.5),
    ],
)


def test_it_shows_the_exporter_at_a_glance() -> None:
    text = render(VIEW).text
    for words in (
        "CircleCI Insights exporter 1.2.3",
        "Uptime 1d 1h",
        "Sharding off",
        "Configuration /etc/exporter/config.yaml",
        "Last reload 5m ago",
        "As of 2026-09-21 14:13:20 UTC.",
        "1 failing",
        "1 ok",
    ):
        assert words in text


def test_it_shows_the_api_at_a_glance() -> None:
    text = render(VIEW).text
    for words in (
        "reachable, token accepted",
        "Requests in the last hour 1,199 200 1,184 404 3 429 12",
        "Allowed rate 0.4/s",
        "Rate limit 812 left of 1,000",
        "Throttled 38s",
    ):
        assert words in text


def test_it_shows_every_project_with_its_collectors_and_their_error() -> None:
    text = render(VIEW).text
    assert "acme/payments gh/acme/payments · main" in text
    assert "404: not found" in text
    assert "4h / 3h" in text
    assert "in 48m" in text
    assert "default branch unknown" in text


def test_a_project_tells_age_against_limit_for_each_collector() -> None:
    failing = collector("workflows", Health.FAILING, age=15000, error="404: not found")
    pending = replace(collector("jobs", Health.PENDING), last_success=None)
    outline = render(overview([project("acme/web", failing, pending, next_poll=NOW + 2880)]))
    for words in (
        "acme/web gh/acme/web · main ✕ failing",
        "✕ workflows 4h / 3hfailing; newest data 4h ago, stale after 3h 404: not found",
        "… jobs – / 3hpending; newest data never, stale after 3h in 48m 412",
    ):
        assert words in outline.text
    assert {"title": "2026-09-21 15:01:20 UTC"} in outline.all("time")
    assert {"title": "failing; newest data 4h ago, stale after 3h"} in outline.all("span")


def test_a_project_of_unknown_branch_and_a_clock_that_went_back_are_no_trouble() -> None:
    view = project("acme/web", collector("workflows", age=-50), default_branch=None, next_poll=None)
    text = render(overview([view])).text
    assert "gh/acme/web · default branch unknown" in text
    assert "workflows 0s / 3h" in text
    assert "stale after 3h – 412" in text


def test_a_workflow_tells_its_figures_in_human_units() -> None:
    figures = {"median_seconds": 200, "p95_seconds": 3900, "runs": 1014}
    outline = render(overview([], [workflow("acme/web", "build", 0.953, **figures)]))
    assert "last-7-days 95.3% 3m 20s 1h 5m 1,014" in outline.text, "and no trend"
    assert [each["width"] for each in outline.all("rect") if each["class"] == "level good"] == ["95.3%"]


def test_the_newest_day_compared_tells_what_both_have_and_what_one_has_alone() -> None:
    midnight = NOW // 86_400 * 86_400
    same = ComparedView(midnight - 86_400, 3, 12_408, 0, 0)
    assert "compared" not in render(VIEW).text
    assert "Yesterday, compared 12,408 job runs 12,408 in both Last" in render(replace(VIEW, compared=same)).text
    other = ComparedView(midnight - 2 * 86_400, 3, 12_390, 17, 1)
    text = render(replace(VIEW, compared=other)).text
    assert "2026-09-19, compared 12,408 job runs 12,390 in both 17 missed here 1 not in the Usage export Last" in text


def test_the_api_tells_its_requests_and_what_is_left_as_far_as_it_is_known() -> None:
    def tile(**changes: object) -> Outline:
        return render(overview(api=replace(API, **changes)))  # type: ignore[arg-type]

    requests = {"404": 3, "200": 1184, "500": 0, "error": 1}
    text = tile(requests_last_hour=requests).text
    assert "Requests in the last hour 1,188 200 1,184 404 3 error 1 Allowed rate" in text
    assert "Rate limit 812 left Throttled" in tile(rate_limit_limit=None).text
    assert not tile(rate_limit_limit=None).all("rect")
    assert "Rate limit" not in tile(rate_limit_remaining=None).text
    full = tile(rate_limit_remaining=5000).all("rect")
    assert [each["width"] for each in full if each["class"] == "level"] == ["100.0%"]


def test_it_shows_every_workflow_with_bar_figures_and_trend() -> None:
    outline = render(VIEW)
    assert "95.3%" in outline.text
    assert "up 2.3 points from 93%" in outline.text
    assert "5% slower than 6m 40s before" in outline.text
    widths = [attributes["width"] for attributes in outline.all("rect") if "level" in (attributes["class"] or "")]
    assert widths == ["81.2%", "50.0%", "95.3%"]


def test_shard_file_and_reload_are_told_in_each_case() -> None:
    text = render(replace(VIEW, shard=2, total_shards=3, config_file=None, reload_ok=False)).text
    assert "Shard 2 of 3 (counted from 0)" in text
    assert "Configuration built in" in text
    assert "rejected still running the previous one" in text
    assert "Last reload none since start" in render(replace(VIEW, reloaded_at=None)).text
    bare = replace(API, rate_limit_remaining=None, requests_last_hour={})
    assert "Rate limit" not in render(replace(VIEW, api=bare)).text


def test_it_shows_what_happens_now_where_pipelines_are_collected() -> None:
    link = "https://app.circleci.com/pipelines/github/acme/web/7/workflows/9a4e2d71-6b8c-4f10-a2c3-d4e5f6071829"
    runs = (
        run_in_progress("deploy", Phase.ON_HOLD, age=90_000),
        run_in_progress("build", age=750, link=link, jobs=(("running", 2), ("queued", 1)), waiting_since=NOW - 120),
    )
    red = (
        RedView("acme/web", "build", "main", 3, NOW - 7200, link),
        RedView("acme/api", "lint", "develop", 1, NOW - 60),
    )
    outline = render(replace(VIEW, now=NowView(runs, unknown=3, pending=1, red=red)))
    for words in (
        "Now 2 in progress",
        "Running 1 build 12m acme/web · main · jobs: 2 running, 1 waiting for 2m",
        "Waiting 0",
        "On hold 1 deploy 1d acme/web · main",
        "has waited 2m: build in acme/web",
        "Red: build on main of acme/web for 2h, 3 times in a row; lint on develop of acme/api for 1m.",
        "3 more may have ended: CircleCI could not be asked about them.",
        "Projects not looked at yet: 1.",
    ):
        assert words in outline.text
    assert [attributes["href"] for attributes in outline.all("a")].count(link) == 3
    assert "in progress" not in render(VIEW).text


def test_the_oldest_of_a_group_are_shown_and_it_says_how_many_more_there_are() -> None:
    runs = tuple(run_in_progress(f"build {number}", age=1000 - number) for number in range(1239))
    text = render(replace(VIEW, now=NowView(runs))).text
    shown = " ".join(f"build {number} 16m acme/web · main" for number in range(5))
    assert f"Now 1,239 in progress Running 1,239 {shown} and 1,234 that started later Waiting 0 On hold 0" in text
    assert "may have ended" not in text
    assert "not looked at yet" not in text


def test_a_search_and_its_filters_hold_for_what_happens_now_too() -> None:
    runs = (run_in_progress("build"), run_in_progress("deploy", project="acme/payments", branch="release"))
    view = replace(VIEW, now=NowView(runs))
    for parameters, total in (
        ({"q": "BUILD"}, 1),
        ({"q": "release"}, 1),
        ({"q": "acme"}, 2),
        ({"project": "acme/web"}, 1),
        ({"state": "failing"}, 1),
        ({"state": "failing", "q": "build"}, 0),
    ):
        assert f"Now {total} in progress" in render(view, **parameters).text


def test_nothing_known_yet_and_nothing_found_are_told_apart() -> None:
    text = render(overview()).text
    assert "No project is configured for this shard." in text
    assert "No workflow is known yet." in text
    text = render(VIEW, q="nowhere").text
    assert "No project matches." in text
    assert "No workflow matches." in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_wherever_they_stand(name: str) -> None:
    hostile = collector(name, Health.FAILING, error=name)
    view = overview(
        [project(name, hostile, slug=name, default_branch=name)],
        [workflow(name, name, 0.5, branch=name, window=name)],
        config_file=name,
        version=name,
        api=replace(API, requests_last_hour={name: 1}),
    )
    harmless = render(
        overview([project("a", collector("b", Health.FAILING, error="c"), slug="d")], [workflow("a", "e", 0.5)])
    )
    for parameters in ({}, {"q": name, "project": name}):
        outline = render(view, **parameters)
        assert {tag for tag, _ in outline.elements} <= {tag for tag, _ in harmless.elements}
        assert not [attributes for _, attributes in outline.elements if any(key.startswith("on") for key in attributes)]
        links = [attributes["href"] or "" for attributes in outline.all("a")]
        assert all(link.startswith(("?", "#", "metrics", "-/")) for link in links)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_what_happens_now_are_text(name: str) -> None:
    def links(text: str) -> Outline:
        run = run_in_progress(text, project=text, branch=text, status=text, jobs=((text, 2),), waiting_since=NOW - 9)
        return render(overview(now=NowView((run,))))

    hostile, harmless = links(name), links("plain")
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert all((each["href"] or "").startswith(("?", "#", "metrics", "-/")) for each in hostile.all("a"))


def test_names_keep_their_writing_direction_to_themselves() -> None:
    page = Page(lambda: overview([], [workflow("p", "\u202eevil")]), telemetry_path="/m", refresh_seconds=0)
    assert "<bdi>\u202eevil</bdi>" in page.render({}).decode()


def test_it_has_landmarks_headings_and_table_headers_for_assistive_technology() -> None:
    outline = render(VIEW)
    tags = [tag for tag, _ in outline.elements]
    for tag in ("header", "nav", "main", "footer", "h1", "title"):
        assert tag in tags
    assert tags.count("h1") == 1
    assert outline.all("html") == [{"lang": "en"}]
    assert {attributes.get("scope") for attributes in outline.all("th")} == {"row", "col"}
    assert all(attributes.get("alt") is not None for attributes in outline.all("img"))
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = {attributes["for"] for attributes in outline.all("label")}
    visible = {attributes["id"] for attributes in outline.all("input") if attributes["type"] != "hidden"}
    assert labels == visible
    named = [attributes.get("aria-labelledby") for _, attributes in outline.elements]
    assert set(filter(None, named)) <= set(ids)


def test_it_needs_no_script_no_inline_style_and_nothing_from_elsewhere() -> None:
    outline = render(VIEW)
    assert not outline.all("script")
    assert not outline.all("style")
    assert not [attributes for _, attributes in outline.elements if "style" in attributes]
    sources = [attributes.get(key) for _, attributes in outline.elements for key in ("src", "href", "action")]
    assert not [source for source in sources if source and ("//" in source or source.startswith("/"))]


def test_it_refreshes_itself_with_its_query_until_it_is_told_not_to() -> None:
    refreshing = [attributes for attributes in render(VIEW, q="build").all("meta") if "http-equiv" in attributes]
    assert refreshing == [{"http-equiv": "refresh", "content": "15"}]
    paused = render(VIEW, q="build", refresh="off")
    assert not [attributes for attributes in paused.all("meta") if "http-equiv" in attributes]
    assert {"type": "hidden", "name": "refresh", "value": "off"} in paused.all("input")
    assert "?q=build" in [attributes["href"] for attributes in paused.all("a")]


def test_a_search_keeps_the_filters_and_each_can_be_removed() -> None:
    outline = render(VIEW, q="b", project="acme/web", state="ok")
    hidden = {attributes["name"]: attributes["value"] for attributes in outline.all("input")}
    assert hidden == {"q": "b", "project": "acme/web", "state": "ok"}
    links = [attributes["href"] for attributes in outline.all("a")]
    assert {"?project=acme%2Fweb&state=ok", "?q=b&state=ok", "?q=b&project=acme%2Fweb"} <= set(links)


def test_the_title_tells_of_failures_first() -> None:
    assert "1 failing – CircleCI Insights exporter" in render(VIEW).text
    assert "failing" not in render(overview([project("a")])).text


def test_thousands_of_projects_make_a_page_of_bounded_size() -> None:
    view = overview(
        [project(f"acme/{number:04}") for number in range(5000)],
        [workflow(f"acme/{number % 5000:04}", f"build {number}", number / 25_000) for number in range(25_000)],
    )
    page = Page(lambda: view, telemetry_path="/metrics", refresh_seconds=15)
    first = page.render({})
    assert len(first) < 150_000
    runs = tuple(run_in_progress(f"build {number}", project=f"acme/{number:04}") for number in range(5000))
    assert len(Page(lambda: replace(view, now=NowView(runs)), telemetry_path="/m", refresh_seconds=15).render({})) < (
        len(first) + 10_000
    )
    for parameters in ({}, {"q": "build 12"}, {"pp": "200", "wp": "400"}, {"state": "ok"}):
        assert len(page.render(parameters)) < 150_000
    text = Outline(page.render({"pp": "2"}).decode()).text
    assert "Page 2 of 250" in text
    assert "Page 1 of 500" in text


def colors(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css))


def luminance(color: str) -> float:
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(scheme: str) -> None:
    light, dark = (FOLDER.parent / "static/page.css").read_text().split("@media (prefers-color-scheme: dark)")
    palette = colors(light) if scheme == "light" else colors(light) | colors(dark)
    pairs = [
        *((ink, ground) for ink in ("ink", "quiet", "link") for ground in ("card", "ground", "bad-row")),
        *((ink, ground) for ink in ("ok", "fair", "bad") for ground in ("card", "bad-row")),
        ("ok", "ok-ground"),
        ("fair", "fair-ground"),
        ("bad", "bad-ground"),
        ("ink", "pending-ground"),
        ("card", "link"),
    ]
    assert {pair: round(contrast(palette[pair[0]], palette[pair[1]]), 2) for pair in pairs} == {
        pair: pytest.approx(20, abs=15.5) for pair in pairs
    }
    bars = ("bar-good", "bar-fair", "bar-poor")
    assert all(contrast(palette[bar], palette["card"]) >= 2.5 for bar in bars)
