"""Errors of the driver at the edge of this package: nobody outside needs to know it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from exporter.errors import ExporterError, StartError
from exporter.state.postgres.login import is_refusal, words


class UnreachableError(ExporterError):
    """The database cannot be used now; later it may be."""


@contextmanager
def reach() -> Iterator[None]:
    """Raise UnreachableError for what the driver raises."""
    try:
        yield
    except psycopg.Error as error:
        raise UnreachableError(words(error)) from None


@contextmanager
def first_contact() -> Iterator[None]:
    """Raise StartError for what waiting does not help against, UnreachableError for anything else of the driver's."""
    try:
        yield
    except psycopg.Error as error:
        if is_refusal(error) or not isinstance(error, psycopg.OperationalError):
            raise StartError(f"state.url: {words(error)}") from None
        raise UnreachableError(words(error)) from None
