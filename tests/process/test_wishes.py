from __future__ import annotations

import threading

from exporter.process.wishes import Wishes
from tests.waiting import wait_until


def test_a_stop_goes_before_the_reloads_that_wait() -> None:
    wishes = Wishes()
    for _ in range(200):
        wishes.reload()
    wishes.stop()
    assert wishes.wait() == "stop"


def test_reloads_that_wait_are_one_and_one_that_comes_later_is_another() -> None:
    wishes = Wishes()
    for _ in range(200):
        wishes.reload()
    assert wishes.wait() == "reload"
    wishes.reload()
    assert wishes.wait() == "reload"
    wishes.stop()
    assert wishes.wait() == "stop"


def test_whoever_waits_is_woken_from_another_thread() -> None:
    wishes, heard = Wishes(), list[str]()
    waiting = threading.Thread(target=lambda: heard.append(wishes.wait()))
    waiting.start()
    wishes.reload()
    wait_until(lambda: heard == ["reload"])
    waiting.join(10)
