"""The types of values in configuration files: how each is read, and how the JSON Schema describes it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError, core_schema

from exporter.config import slugs

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
INFO_LABELS: Final = ("project", "slug", "project_name", "organization", "provider", "default_branch")
"""The labels that `circleci_insights_project_info` always has. A configured label cannot have one of these names."""

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_URL_RULE: Final = "https://HOST or https://HOST/PATH, without user name, password and query"


@dataclass(frozen=True, eq=False)
class Scalar:
    """A type of scalar values. `read` raises ValueError for any other value; `allowed` then says what is expected."""

    title: str
    allowed: str
    schema: dict[str, Any]
    read: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> core_schema.CoreSchema:
        """Let pydantic read the value with `read` alone."""
        return core_schema.no_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(self, core: object, handler: object) -> dict[str, Any]:
        """Describe the value as it is written in the file."""
        return {"title": self.title, **self.schema}

    def _validated(self, value: object) -> object:
        try:
            return self.read(value)
        except PydanticCustomError:
            raise
        except ValueError as error:
            raise mistake(str(error) or self.allowed) from None


def mistake(allowed: str, found: str = "") -> PydanticCustomError:
    """Return a validation error: what is allowed, and what was found if the value itself must not or cannot show it."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed, "found": found})


def read_duration(text: str) -> float:
    """Return the seconds of a duration such as `90s`, `5m`, `1h` or `1d`."""
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError
    return float(int(parts[1]) * SECONDS[parts[2]])


def write_duration(seconds: float) -> str:
    """Return the shortest duration of whole units that is `seconds` long: 5400 is `90m`."""
    size, unit = next((size, unit) for unit, size in reversed(SECONDS.items()) if seconds % size == 0)
    return f"{seconds / size:.0f}{unit}"


def api_root(text: str) -> str:
    """Return the URL without a trailing slash or `/api/v2`. Raise ValueError where it is not one to send a token to."""
    parts = urlsplit(text)
    usable = (
        text.isprintable()
        and " " not in text
        and parts.scheme in ("http", "https")
        and parts.hostname
        and not (parts.query or parts.fragment or "@" in parts.netloc or set("?#\\") & set(text))
        and (parts.port is None or parts.port > 0)
    )
    if not usable:
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/').removesuffix('/api/v2').rstrip('/')}"


def is_loopback(url: str) -> bool:
    """Say whether the URL's host can only be this machine."""
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _text(title: str, allowed: str, pattern: str, read: Callable[[str], object] = str) -> Scalar:
    """Return a kind of text: printable, matching the whole pattern (which JSON Schema understands too), then `read`."""
    matches = re.compile(pattern).fullmatch

    def checked(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError(f"{allowed}, in quotes" if isinstance(value, int | float) else allowed)  # noqa: TRY004
        if not value.isprintable() or not matches(value):
            raise ValueError
        return read(value)

    return Scalar(title, allowed, {"type": "string", "pattern": f"^(?:{pattern})$"}, checked)


def _slug(title: str, allowed: str, pattern: str, read: Callable[[str], str]) -> Scalar:
    """Return a kind of slug; of an address, the error says which slug is meant."""
    slug = _text(title, f"{allowed}; {slugs.RULE}", pattern, read)

    def checked(value: object) -> object:
        try:
            return slug.read(value)
        except ValueError as error:
            text = value if isinstance(value, str) else ""
            meant = slugs.meant(text, pattern)
            allowed = f"a slug; did you mean {meant}?" if meant else str(error) or slug.allowed
            raise mistake(allowed, "an address that is not shown" if slugs.shows_secret(text) else "") from None

    return replace(slug, read=checked)


def _duration(least: str, most: str) -> Scalar:
    low, high = read_duration(least), read_duration(most)

    def checked(value: object) -> float:
        seconds = read_duration(value) if isinstance(value, str) else -1.0
        if not low <= seconds <= high:
            raise ValueError
        return seconds

    allowed = f"a duration such as 90s, 5m, 1h or 1d, from {least} to {most}"
    return Scalar("duration", allowed, {"type": "string", "pattern": f"^{_DURATION.pattern}$"}, checked)


def _number(least: float, most: float, *, whole: bool = False) -> Scalar:
    def checked(value: object) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int if whole else int | float)
            or not least <= value <= most
        ):
            raise ValueError
        return value if whole else float(value)

    name = "whole number" if whole else "number"
    limits = {"type": "integer" if whole else "number", "minimum": least, "maximum": most}
    return Scalar(name, f"a {name} from {least} to {most:,}", limits, checked)


def _url(value: object) -> str:
    try:
        return api_root(value if isinstance(value, str) else "")
    except ValueError:
        secret = isinstance(value, str) and not {"@", "?"}.isdisjoint(value)
        raise mistake(_URL_RULE, "a URL that is not shown" if secret else "") from None


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _resolved(path: Path, info: ValidationInfo) -> Path:
    return info.context["directory"] / path if info.context else path


def _or_slug(name: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    return info.data.get("slug", "") if name is None else read(name)


def _rising(bounds: tuple[float, ...]) -> tuple[float, ...]:
    for low, high in pairwise(bounds):
        if high <= low:
            raise mistake("increasing durations", f"{write_duration(high)} after {write_duration(low)}")
    return bounds


Duration = Annotated[float, _duration("1s", "365d")]
Lease = Annotated[float, _duration("3s", "10m")]
Timeout = Annotated[float, _duration("1s", "10m")]
Lookback = Annotated[float, _duration("1s", "90d")]
Rising = AfterValidator(_rising)
Once = AfterValidator(_once)

RequestRate = Annotated[float, _number(0.01, 1000)]
Burst = Annotated[int, _number(1, 10_000, whole=True)]
Concurrency = Annotated[int, _number(1, 64, whole=True)]
TestCount = Annotated[int, _number(0, 100, whole=True)]
SeriesLimit = Annotated[int, _number(1, 10_000_000, whole=True)]

Glob = Annotated[str, _text("glob", "a name or glob (* ? [ab] [!ab])", ".+")]
Branch = Annotated[str, _text("branch glob", "a branch name or glob without spaces", r"\S+")]
Namespace = Annotated[str, _text("namespace", "the namespace of runners, such as acme", slugs.SEGMENT)]
ResourceClass = Annotated[
    str, _text("resource class", "NAMESPACE/RESOURCE-CLASS, such as acme/linux", rf"{slugs.SEGMENT}/{slugs.SEGMENT}")
]
Name = Annotated[
    str,
    _text("name", "a name of 1 to 200 characters that neither starts nor ends with a space", r"(?! ).{1,200}(?<! )"),
]
NameOrSlug = Annotated[Name, WrapValidator(_or_slug, json_schema_input_type=Name | None)]
"""A name whose default is the slug of the same mapping."""
Resolved = AfterValidator(_resolved)
"""A relative path is relative to the `directory` of the validation's context."""
FilePath = Annotated[Path, _text("path", "a file path", ".+", Path), Resolved]
LabelName = Annotated[
    str,
    _text(
        "label name",
        f"a label name: letters, digits and _, not starting with a digit or __, other than {', '.join(INFO_LABELS)}",
        rf"(?!__)(?!(?:{'|'.join(INFO_LABELS)})$)[a-zA-Z_][a-zA-Z0-9_]*",
    ),
]
Url = Annotated[str, Scalar("URL", _URL_RULE, {"type": "string", "pattern": r"^https?://[^\s?#@\\]+$"}, _url)]
TokenFile = Annotated[
    Path,
    _text(
        "path",
        "the path of the file that holds the token, not the token itself",
        r"(?!CCIP[A-Z]{2}_)(?![0-9a-fA-F]{40}$).+",
        Path,
    ),
    Resolved,
]
ProjectSlug = Annotated[
    str,
    _slug(
        "project slug",
        "gh/ORGANIZATION/REPOSITORY, bb/ORGANIZATION/REPOSITORY or circleci/ORGANIZATION-ID/PROJECT-ID "
        "(GitHub App, GitLab)",
        slugs.PROJECT,
        slugs.project_slug,
    ),
]
OrganizationSlug = Annotated[
    str,
    _slug(
        "organization slug",
        "gh/ORGANIZATION, bb/ORGANIZATION or circleci/ORGANIZATION-ID",
        slugs.ORGANIZATION,
        slugs.organization_slug,
    ),
]
