from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest

from exporter.demo.circleci import DEMO_TOKEN
from tests.circleci import Circle, RemoteCircle
from tests.circleci.__main__ import main
from tests.demo.asking import NOON, QUARTER, WEB, ask
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def spawned() -> Iterator[RemoteCircle]:
    options = ("--start", str(NOON), "--speed", "0", "--quiet", "--refresh", "1")
    with RemoteCircle.spawn(*options, token="spawned-token") as remote:
        yield remote


@pytest.fixture
def remote(spawned: RemoteCircle) -> RemoteCircle:
    spawned.reset()
    return spawned


def status(remote: RemoteCircle, path: str = "/me") -> int:
    return ask(cast("Circle", remote), path).status


def test_a_process_of_its_own_answers_with_the_token_that_was_given(remote: RemoteCircle) -> None:
    assert status(remote) == 200
    (seen,) = remote.requests()
    assert (seen["path"], seen["token_ok"]) == ("/me", True)
    assert remote.requests(after=1) == []


def test_it_fails_is_limited_and_heals_on_demand(remote: RemoteCircle) -> None:
    remote.fail("throttle", "/me", times=1)
    assert [status(remote), status(remote)] == [429, 200]
    remote.limit(0.001, 1)
    assert [status(remote), status(remote)] == [200, 429]
    assert remote.heal() == 1


def test_it_holds_an_answer_back_until_it_is_told_to_send_it(remote: RemoteCircle) -> None:
    fault = remote.fail("hold", "/me", times=1)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(status, remote)
        wait_until(lambda: fault.hits, why="the request")
        assert not answer.done()
        fault.release()
        assert answer.result(PATIENCE) == 200


def test_its_tokens_and_projects_change_on_demand(remote: RemoteCircle) -> None:
    remote.accept("another")
    assert status(remote) == 401
    assert "gh/acme/lab" in remote.change_projects(add=[{"slug": "gh/acme/lab"}])


def test_runs_are_driven_and_the_truth_is_told(remote: RemoteCircle) -> None:
    run = {"slug": WEB, "workflow": "a b", "created": NOON - 60}
    (open_run,) = remote.add_runs({**run, "status": None})
    remote.finish_runs({"run_id": open_run["id"], "status": "canceled"})
    now = remote.advance(5)
    (tally,) = [tally for tally in remote.truth(at=now) if tally["workflow"] == "a b"]
    assert (tally["status"], tally["runs"]) == ("canceled", 1)
    assert remote.truth(generated=True) == remote.truth()
    metrics = remote.metrics(WEB, "a b", QUARTER, branch="main")
    assert metrics is not None
    assert metrics["total_runs"] == 1
    assert remote.metrics(WEB, "a b", QUARTER, job="none") is None


def test_pipelines_are_driven_and_told_as_they_look_at_any_time(remote: RemoteCircle) -> None:
    now = remote.advance(0)
    build = {"name": "build", "status": "success", "stopped": now + 60}
    (made,) = remote.change_pipelines(("add", {"slug": WEB, "created": now, "workflows": [build]}))
    assert status(remote, f"/pipeline/{made['id']}/workflow") == 200
    before, after = (
        next(each for each in remote.pipelines(at) if each["id"] == made["id"])["workflows"][0]["status"]
        for at in (None, now + 60)
    )
    assert (before, after) == ("running", "success")
    remote.change_projects(unfollow=[{"slug": WEB}])
    assert ask(cast("Circle", remote), "/pipeline?org-slug=gh/acme").json["items"] == []
    remote.change_projects(follow=[{"slug": WEB}])


def test_what_it_cannot_do_is_an_error_here(remote: RemoteCircle) -> None:
    with pytest.raises(ValueError, match="no fault"):
        remote.fail("nothing")


def test_its_connections_can_be_dropped(remote: RemoteCircle) -> None:
    with pytest.raises(OSError, match=r".*"):
        remote.drop_connections()
    assert status(remote) == 200


def test_one_that_cannot_start_is_an_error(remote: RemoteCircle, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        RemoteCircle.spawn("--port", remote.url.rpartition(":")[2])
    assert "Address already in use" in capfd.readouterr().err


def test_one_that_was_not_started_here_is_not_stopped_here(remote: RemoteCircle) -> None:
    with RemoteCircle(remote.url, remote.token) as other:
        assert status(other) == 200
    assert status(remote) == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.circleci"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")


def test_a_fleet_of_any_size_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()
    arguments = ["--projects", "3", "--workflows", "2", "--jobs", "1", "--seed", "5"]
    thread = threading.Thread(target=main, args=(arguments, ended))
    thread.start()
    line = wait_until(lambda: capsys.readouterr().out)
    remote = RemoteCircle(line.split()[-1], DEMO_TOKEN)
    assert status(remote, "/insights/gh/fleet/project-00002/workflows") == 200
    assert status(remote, "/insights/gh/fleet/project-00003/workflows") == 404
    ended.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
