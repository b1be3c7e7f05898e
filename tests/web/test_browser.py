"""The page in a real browser: Debian's Chromium without a window."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import urlopen

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import exporter
from exporter.web.page.overview import Health, NowView, Overview, Phase
from tests.running.program import unmeasured
from tests.running.starting import Process
from tests.running.waiting import wait_until
from tests.web.published import Published, collector, overview, project, run_in_progress, workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver.remote.webelement import WebElement

    from tests.conftest import Chromium
    from tests.web.conftest import Running

    Serve = Callable[..., Running]

T = TypeVar("T")

GONE = "Node with given id does not belong to the document"
"""What Chromium says of an element that goes with its page just while it is read."""

SCRIPT = "<script>document.title='taken over'</script>"
LONG = "a-workflow-whose-name-" + "goes-on-and-on-" * 12


def view() -> Overview:
    projects = [
        project(
            "acme/payments",
            collector(
                "workflows",
                Health.FAILING,
                age=15_000,
                error="404: the project does not exist, or the token cannot see it",
            ),
            collector("jobs", Health.STALE, age=15_000),
        ),
        project(
            "acme/mobile",
            collector("workflows", Health.STALE, age=11_000),
            slug="circleci/8vLqd1AbCdEf/43G3kM5RtfFE",
        ),
        project("acme/web"),
        *(project(f"acme/service-{number:02}") for number in range(25)),
    ]
    workflows = [
        workflow("acme/web", "build-test-deploy", 0.953, previous_success_ratio=0.93, previous_p95_seconds=300),
        workflow("acme/web", "nightly", 0.61, previous_success_ratio=0.75, previous_p95_seconds=500),
        workflow("acme/mobile", SCRIPT, 0.82),
        workflow("acme/mobile", LONG, 0.99, branch="feature/" + "x" * 90),
        workflow("acme/payments", "deploy", None, median_seconds=None, p95_seconds=None, runs=0),
        *(workflow(f"acme/service-{number % 25:02}", f"build-{number}", number / 60) for number in range(60)),
    ]
    return overview(projects, workflows)


def view_of_runs() -> Overview:
    runs = [
        run_in_progress(LONG, branch="feature/" + "x" * 90, jobs=(("running", 1200), ("blocked", 34))),
        run_in_progress(SCRIPT, Phase.WAITING, project=SCRIPT, link="https://app.circleci.com/pipelines/1"),
        *(run_in_progress(f"deploy-{number}", Phase.ON_HOLD, age=90_000) for number in range(60)),
    ]
    return replace(view(), now=NowView(tuple(runs), unknown=2))


class Browser:
    """One window for all tests, at the page of one server."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(
        self, running: Running, query: str = "", *, width: int = 1280, height: int = 1400, scheme: str = "light"
    ) -> None:
        self.show(f"http://127.0.0.1:{running.port}/{query}", width=width, height=height, scheme=scheme)

    def show(self, address: str, *, width: int = 1280, height: int = 1400, scheme: str = "light") -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get(address)

    def read(self, selector: str, what: Callable[[WebElement], T]) -> list[T]:
        """Read something of each element, all from one page: begin again if another one came in between."""

        def found() -> tuple[list[T]] | None:
            try:
                return ([what(element) for element in self.driver.find_elements(By.CSS_SELECTOR, selector)],)
            except StaleElementReferenceException:
                return None
            except WebDriverException as error:
                if GONE not in str(error):
                    raise
                return None

        (read,) = wait_until(found) or ([],)
        return read

    def texts(self, selector: str) -> list[str]:
        return self.read(selector, lambda element: " ".join(element.text.split()))

    def style(self, selector: str, name: str) -> str:
        (value,) = self.read(selector, lambda element: element.value_of_css_property(name))
        return value

    def script(self, source: str) -> Any:
        return self.driver.execute_script(source)

    def complaints(self) -> list[str]:
        """Return what the browser has to complain about, violations of the content security policy among it."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def driver(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium.browser)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(chromium.driver)))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: webdriver.Chrome) -> Iterator[Browser]:
    browser = Browser(driver)
    browser.complaints()
    yield browser
    assert browser.complaints() == []


@pytest.fixture
def page(serve: Serve) -> Running:
    return serve(Published(view=view()), refresh_seconds=1)


@pytest.fixture
def page_of_runs(serve: Serve) -> Running:
    return serve(Published(view=view_of_runs()), refresh_seconds=1)


def test_the_page_shows_projects_and_workflows_worst_first(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off")
    assert browser.driver.title == "1 failing – CircleCI Insights exporter"
    assert browser.texts(".projects tbody th a")[:2] == ["acme/payments", "acme/mobile"]
    assert browser.texts(".workflows tbody th > bdi")[:2] == ["deploy", SCRIPT]
    assert "404: the project does not exist, or the token cannot see it" in browser.texts(".error")


@pytest.mark.parametrize(
    ("scheme", "ground", "ink"),
    [
        ("light", "rgba(244, 246, 249, 1)", "rgba(27, 33, 48, 1)"),
        ("dark", "rgba(15, 19, 26, 1)", "rgba(231, 235, 243, 1)"),
    ],
)
def test_the_browsers_color_scheme_is_followed(
    browser: Browser, page: Running, scheme: str, ground: str, ink: str
) -> None:
    browser.open(page, "?refresh=off", scheme=scheme)
    assert (browser.style("body", "background-color"), browser.style("body", "color")) == (ground, ink)


@pytest.mark.parametrize("width", [320, 375, 768])
def test_a_narrow_screen_needs_no_scrolling_sideways(browser: Browser, page_of_runs: Running, width: int) -> None:
    browser.open(page_of_runs, "?refresh=off", width=width, height=1600)
    assert browser.script("return document.documentElement.scrollWidth") <= width
    assert (
        browser.script(
            "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.unseen, thead')"
            " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
        )
        == []
    )
    small = (
        "[...document.querySelectorAll('td, th a, .chip')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 12)"
    )
    assert browser.script(f"return {small}.length") == 0


def test_what_happens_now_leads_to_circleci(browser: Browser, page_of_runs: Running) -> None:
    browser.open(page_of_runs, "?refresh=off")
    assert browser.texts("#now h3") == ["Running 1", "Waiting 1", "On hold 60"]
    assert browser.texts(".runs a[rel]") == [SCRIPT]
    address = browser.read(".runs a[rel]", lambda link: link.get_attribute("href"))
    assert address == ["https://app.circleci.com/pipelines/1"]


def test_a_search_narrows_both_lists_and_can_be_removed(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off")
    field = browser.driver.find_element(By.ID, "q")
    field.send_keys("NIGHTLY", Keys.ENTER)
    wait_until(lambda: browser.texts(".workflows tbody th > bdi") == ["nightly"])
    assert browser.texts(".projects tbody th a") == ["acme/web"]
    assert "q=NIGHTLY" in browser.driver.current_url
    assert browser.read("#q", lambda field: field.get_attribute("value")) == ["NIGHTLY"]
    browser.driver.find_element(By.CSS_SELECTOR, ".filters a").click()
    wait_until(lambda: len(browser.texts(".workflows tbody tr")) == 50)


def test_a_project_and_a_state_are_filters_one_click_away(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off")
    browser.driver.find_element(By.LINK_TEXT, "acme/mobile").click()
    wait_until(lambda: browser.texts(".projects tbody th a") == ["acme/mobile"])
    assert len(browser.texts(".workflows tbody tr")) == 2
    browser.open(page, "?refresh=off")
    browser.driver.find_element(By.CSS_SELECTOR, ".tile .chip.failing").click()
    wait_until(lambda: browser.texts(".projects tbody th a") == ["acme/payments"])


def test_pages_are_turned_and_each_list_keeps_its_own(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off")
    browser.driver.find_element(By.CSS_SELECTOR, "#workflows a[rel=next]").click()
    wait_until(lambda: len(browser.texts(".workflows tbody tr")) == 15)
    assert len(browser.texts(".projects tbody tr")) == 20
    browser.driver.find_element(By.CSS_SELECTOR, "#projects a[rel=next]").click()
    wait_until(lambda: len(browser.texts(".projects tbody tr")) == 8)
    assert len(browser.texts(".workflows tbody tr")) == 15


def test_a_project_that_fails_turns_red_at_the_next_refresh_and_the_query_stays(
    browser: Browser, page: Running
) -> None:
    browser.open(page, "?q=acme%2Fweb")
    assert browser.texts(".projects tbody tr .chip") == ["✓ ok"]
    failing = project("acme/web", collector("workflows", Health.FAILING, error="CircleCI answered 500"))
    page.source.view = replace(page.source.view, projects=(failing,))

    def red() -> bool:
        return browser.read(".projects tbody tr.failing", lambda row: row.text.split("\n")[0]) == ["acme/web"]

    wait_until(red)
    assert browser.style(".projects tr.failing .chip", "color") == "rgba(179, 25, 43, 1)"
    assert browser.texts(".error") == ["CircleCI answered 500"]
    assert browser.driver.current_url.endswith("?q=acme%2Fweb")
    browser.open(page, "?refresh=off")


def test_a_script_as_a_name_is_text(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off&q=%3Cscript%3E")
    assert browser.texts(".workflows tbody th > bdi") == [SCRIPT]
    assert browser.driver.title == "1 failing – CircleCI Insights exporter"
    assert browser.script("return document.scripts.length") == 0


def test_the_policy_would_stop_a_script_and_a_style_that_got_in(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off")
    browser.script(
        "const s = document.createElement('script'); s.textContent = \"document.title = 'taken over'\";"
        'document.body.append(s); document.body.innerHTML += \'<p style="color: red" onclick="x">\''
    )
    assert browser.driver.title != "taken over"
    violations = browser.complaints()
    assert len(violations) >= 2
    assert all("Content Security Policy" in violation for violation in violations)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser, page: Running) -> None:
    browser.open(page, "?refresh=off")
    focus = "const e = document.activeElement; return [e.textContent.trim() || e.id, getComputedStyle(e).outlineStyle]"
    reached = []
    for _ in range(11):
        webdriver.ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        reached.append(browser.script(focus))
    assert [name for name, _ in reached] == [
        "Skip to the projects",
        "Metrics",
        "Health",
        "Readiness",
        "✕ 1 failing",
        "! 1 stale",
        "✓ 26 ok",
        "q",
        "Search",
        "acme/payments",
        "acme/mobile",
    ]
    assert {outline for _, outline in reached} == {"solid"}


def test_assistive_technology_finds_tables_with_headers_on_any_screen(browser: Browser, page: Running) -> None:
    for width in (1280, 375):
        browser.open(page, "?refresh=off", width=width)
        tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
        roles = [node["role"]["value"] for node in tree["nodes"] if not node["ignored"] and "role" in node]
        assert roles.count("table") == 2
        assert roles.count("columnheader") == 11
        assert roles.count("rowheader") == 70
        assert {"banner", "main", "contentinfo", "search", "navigation"} <= set(roles)


@pytest.fixture
def demo() -> Iterator[str]:
    """The page's address of the demo, as an operator starts it, once it has polled everything."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address", "127.0.0.1:0"]
    with Process(command, env=unmeasured(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            addresses = (re.search(r"http://[\d.]+:\d+/(?=\s|$)", line) for line in process.stdout)
            address = next(found[0] for found in addresses if found)
            wait_until(lambda: "6 ok" in urlopen(address).read().decode(), interval=0.3)
            yield address
        finally:
            process.terminate()
            process.communicate()


def test_the_page_of_the_demo_has_all_that_it_polls(browser: Browser, demo: str) -> None:
    browser.show(demo)
    assert browser.texts(".tile .chips") == ["✓ 6 ok"]
    assert len(browser.texts(".workflows tbody tr")) >= 20
    assert "reachable, token accepted" in browser.texts("#api .verdict")[0]
    assert browser.texts("h1 small") == [exporter.__version__]
