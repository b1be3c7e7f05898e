from __future__ import annotations

import threading

from exporter.process.wishes import Wishes
from tests.waiting import PATIENCE, wait_until


def test_a_stop_goes_before_the_reloads_that_wait() -> None:
    wishes = Wishes()
    for _ in range(200):
        wishes.reload()
    wishes.stop()
    wishes.wait_for_stop()
    assert not wishes.wait_for_reload()


def test_reloads_that_wait_are_one_and_one_that_comes_later_is_another() -> None:
    wishes = Wishes()
    for _ in range(200):
        wishes.reload()
    assert wishes.wait_for_reload()
    wishes.reload()
    assert wishes.wait_for_reload()
    wishes.stop()
    assert not wishes.wait_for_reload()


def test_whoever_waits_is_woken_from_another_thread() -> None:
    wishes, heard = Wishes(), list[object]()
    waiting = [threading.Thread(target=lambda: heard.append(wishes.wait_for_reload())) for _ in range(2)]
    waiting += [threading.Thread(target=wishes.wait_for_stop)]
    for thread in waiting:
        thread.start()
    wishes.reload()
    wait_until(lambda: heard == [True], why="one of them to reload")
    wishes.stop()
    for thread in waiting:
        thread.join(PATIENCE)
    assert heard == [True, False]
