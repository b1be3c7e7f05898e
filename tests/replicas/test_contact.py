from __future__ import annotations

from typing import Any

from exporter.replicas.contact import Contact
from exporter.state.postgres.login import BusyError, UnreachableError
from tests.state.making import Log


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    log: Any = Log()
    contact = Contact(log)
    assert contact.reachable
    for _ in range(2):
        contact.lost(UnreachableError("gone"))
        assert not contact.reachable
    for _ in range(2):
        contact.made()
        assert contact.reachable
    assert log.told() == ["the database cannot be reached", "the database can be reached again"]


def test_waiting_for_others_is_no_outage_and_is_logged_once_each_time() -> None:
    log: Any = Log()
    contact = Contact(log)
    for _ in range(2):
        contact.lost(BusyError("locked"))
        contact.lost(BusyError("locked"))
        contact.waits_no_more()
    assert contact.reachable
    assert log.told() == ["waiting for what is under way in the database"] * 2
