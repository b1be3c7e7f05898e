from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.process.inbox_watch import InboxWatch
from exporter.state.postgres.arrivals import Arrivals
from tests.processes import process
from tests.state.making import SERVER
from tests.state.postgres.making import linked
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.postgres import Address


def test_what_all_replicas_have_counted_is_shown_and_fewer_than_before_take_nothing_away(database: Address) -> None:
    with linked(database) as link, linked(database) as other, process() as running:
        arrivals, shown = Arrivals(link, SERVER), list[int]()
        arrivals.count({("other", "accepted"): 5})
        watch = InboxWatch(running.engine, Arrivals(other, SERVER), lambda *counted: shown.append(counted[2]))
        assert shown == [5]
        watch.start()
        database.run("UPDATE webhook SET requests = 3")
        looked = len(shown)
        watch.hurry()
        wait_until(lambda: len(shown) > looked + 1)
        arrivals.count({("other", "accepted"): 1})
        wait_until(lambda: sum(shown) == 6)
        assert min(shown) >= 0
        assert not [line for line in running.logged() if line[0] == "exception"]
        running.engine.stop.set()
