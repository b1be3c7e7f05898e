"""Reading a query string as strictly as possible: what the API might forgive is an error here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from exporter.demo.messages import Refused
from exporter.demo.organization import DEFAULT_WINDOW, RETENTION, WINDOWS
from exporter.demo.times import read

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter of a route."""

    name: str
    valid: Callable[[str], bool] = bool
    repeats: bool = False


def _is_time(text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


BRANCH = Parameter("branch")
ALL_BRANCHES = Parameter("all-branches", lambda text: text in ("true", "false"))
WINDOW = Parameter("reporting-window", WINDOWS.__contains__)
PAGE_TOKEN = Parameter("page-token")
START, END = Parameter("start-date", _is_time), Parameter("end-date", _is_time)
GRANULARITY = Parameter("granularity", lambda text: text in ("daily", "hourly"))
WORKFLOW, JOB = Parameter("workflow-name"), Parameter("job-name")
BRANCHES, WORKFLOWS, PROJECTS = (
    Parameter(name, repeats=True) for name in ("branches", "workflow-names", "project-names")
)
ORGANIZATION = Parameter("org-slug")
SCOPE_ID, SCOPE_TYPE = Parameter("scope-id"), Parameter("scope-type", lambda text: text == "project")
MINE = Parameter("mine", lambda text: text in ("true", "false"))


class Query:
    """The parameters of one request, checked against those that its route takes."""

    def __init__(self, text: str, allowed: tuple[Parameter, ...]) -> None:
        """Raise Refused (400) for an unknown, repeated or invalid parameter."""
        known = {each.name: each for each in allowed}
        self._values: dict[str, list[str]] = {}
        for name, value in _pairs(text):
            parameter = known.get(name)
            if parameter is None:
                raise Refused(400, f"Unexpected query parameter: {name}")
            if not parameter.valid(value):
                raise Refused(400, f"Invalid value for query parameter {name}: {value!r}")
            if name in self._values and not parameter.repeats:
                raise Refused(400, f"Repeated query parameter: {name}")
            self._values.setdefault(name, []).append(value)
        if END.name in self._values and START.name not in self._values:
            raise Refused(400, "end-date needs start-date")
        if END.name in self._values and not 0 <= self.time(END, 0) - self.time(START, 0) <= RETENTION:
            raise Refused(400, "end-date must be at most 90 days after start-date")

    def one(self, parameter: Parameter) -> str | None:
        """Return the value, or None when it was not given."""
        return next(iter(self._values.get(parameter.name, ())), None)

    def every(self, parameter: Parameter) -> list[str]:
        """Return the values of one that may be repeated."""
        return self._values.get(parameter.name, [])

    def flag(self, parameter: Parameter) -> bool:
        return self.one(parameter) == "true"

    def time(self, parameter: Parameter, default: float) -> float:
        """Unix seconds of a date."""
        text = self.one(parameter)
        return default if text is None else read(text)

    @property
    def window(self) -> str:
        return self.one(WINDOW) or DEFAULT_WINDOW

    def identity(self) -> str:
        """Return what a page token is bound to: every parameter but itself, in any order."""
        return repr(sorted((name, values) for name, values in self._values.items() if name != PAGE_TOKEN.name))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict") if text else []
    except ValueError as error:
        raise Refused(400, f"Malformed query: {error}") from None
