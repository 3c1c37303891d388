"""States and attempts; rate and remaining time by hand."""

from __future__ import annotations

import pytest

from Xray2MRILib.cohort.run import CohortResult
from Xray2MRILib.cohort.throughput import Throughput
from Xray2MRILib.cohort.work_queue import DONE, FAILED, REFUSED, RUNNING, WAITING, WorkQueue


def test_work_that_fails_is_tried_again_behind_the_others():
    queue = WorkQueue(retries=2)
    for key in "abc":
        queue.add(key)
    assert queue.take() == "a"
    assert queue.state("a") == RUNNING
    assert queue.fail("a")
    assert [queue.take() for _ in range(3)] == ["b", "c", "a"]
    assert queue.attempts("a") == 2
    assert queue.fail("a")
    assert queue.take() == "a"
    assert not queue.fail("a")
    assert queue.state("a") == FAILED
    assert queue.take() is None


def test_refused_work_is_never_tried_again():
    queue = WorkQueue(retries=5)
    queue.add("a")
    queue.take()
    queue.finish("a", REFUSED)
    assert not queue.has_waiting
    queue.add("a")
    assert queue.take() is None
    assert queue.count(REFUSED) == 1


def test_work_that_was_handed_back_has_lost_no_attempt():
    queue = WorkQueue(retries=0)
    queue.add("a")
    queue.add("b")
    for _ in range(5):
        assert queue.take() == "a"
        queue.put_back("a")
    assert queue.attempts("a") == 0
    queue.take()
    queue.set_aside("a")
    assert queue.state("a") == WAITING
    assert queue.take() == "b"
    assert queue.take() is None
    queue.restore("a")
    assert queue.take() == "a"
    queue.finish("a")
    assert (queue.count(DONE), queue.count(RUNNING)) == (1, 1)


def test_a_key_is_added_once_and_with_no_retry_one_attempt_is_made():
    queue = WorkQueue(retries=0)
    queue.add("a")
    queue.add("a")
    assert queue.take() == "a"
    assert queue.take() is None
    assert not queue.fail("a")


def test_rate_and_time_left():
    now = [0.0]
    throughput = Throughput(lambda: now[0])
    assert throughput.per_hour is None
    for _ in range(4):
        now[0] += 30.0
        throughput.finished()
    assert throughput.per_hour == pytest.approx(120)
    assert throughput.seconds_left(10) == pytest.approx(300)
    for _ in range(100):  # the last hundred count
        now[0] += 10.0
        throughput.finished()
    assert throughput.per_hour == pytest.approx(360)


@pytest.mark.parametrize(
    ("states", "interrupted", "code"),
    [
        (["done", "done"], False, 0),
        (["done", "refused"], False, 0),
        (["done", "failed", "refused"], False, 1),
        (["refused", "refused"], False, 2),
        (["done", "waiting"], True, 130),
        (["waiting"], False, 0),
    ],
)
def test_exit_codes(states, interrupted, code):
    rows = [{"state": state} for state in states]
    result = CohortResult(rows, [True] * len(rows), interrupted)
    assert result.exit_code == code
    elsewhere = CohortResult([*rows, {"state": "failed"}], [*[True] * len(rows), False], interrupted)
    assert elsewhere.exit_code == code, "what belongs to another share does not count"
