from __future__ import annotations

import threading
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from exporter.polling.steady_time import SteadyTime
from tests.running.waiting import PATIENCE, wait_until


def test_now_is_what_the_monotonic_clock_says() -> None:
    zone = SteadyTime(lambda: 90.0)
    assert datetime.now(zone) == zone.at(90.0)
    assert zone.at(91.5) - datetime.now(zone) == timedelta(seconds=1.5)


def test_the_scheduler_goes_by_it_whatever_the_date_is() -> None:
    ran = threading.Event()
    moments = iter([100.0, *[250.0] * 1000])
    zone = SteadyTime(lambda: next(moments))
    scheduler = BackgroundScheduler(timezone=zone)
    scheduler.add_job(ran.set, "date", run_date=zone.at(200.0), misfire_grace_time=None)
    scheduler.start()
    try:
        assert ran.wait(PATIENCE)
        wait_until(lambda: not scheduler.get_jobs(), why="the job to be gone, which a shutdown would not wait for")
    finally:
        scheduler.shutdown()
