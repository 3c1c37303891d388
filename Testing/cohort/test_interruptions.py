"""Runs that are killed, stopped and starved: afterwards the table is that of an undisturbed run, but for times."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from cohort_files import (
    CohortProcess,
    done_keys,
    kill_one,
    manifest_lines,
    read_table,
    varied_radiographs,
    without_times,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")]
COUNT = 6


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    varied_radiographs(folder, COUNT)
    (folder / "torn.png").write_bytes((folder / "radiograph_000.png").read_bytes()[:3000])
    return folder


@pytest.fixture(scope="module")
def undisturbed(films, tiny_model, tmp_path_factory):
    """The table of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, printed, said = CohortProcess(films, out, tiny_model).end()
    assert code == 0, said
    assert f"{COUNT} done, 1 refused" in printed
    return without_times(out)


def finished(out, count: int) -> bool:
    return (out / "manifest.jsonl").exists() and len(manifest_lines(out)) >= count


def assert_whole(out, undisturbed: str) -> None:
    assert without_times(out) == undisturbed
    for row in read_table(out):
        assert row["state"] in ("done", "refused")
    assert list((out / "leases").glob("*.lease")) == []


def test_the_run_is_killed(films, tiny_model, tmp_path, undisturbed):
    out = tmp_path / "out"
    run = CohortProcess(films, out, tiny_model)
    assert run.until(lambda: finished(out, 2))
    (worker,) = run.workers()
    run.kill()
    limit = time.monotonic() + 30
    while subprocess.run(["ps", "-p", str(worker), "-o", "stat="], capture_output=True, text=True).stdout.strip(" \nZ"):
        assert time.monotonic() < limit, "the worker outlived its run"
        time.sleep(0.1)
    before = set(done_keys(out))
    code, _, said = CohortProcess(films, out, tiny_model).end()
    assert code == 0, said
    assert_whole(out, undisturbed)
    assert len(done_keys(out)) == COUNT, "what was done is not done again"
    assert before <= set(done_keys(out))


def test_a_worker_is_killed_while_it_has_radiographs(films, tiny_model, tmp_path, undisturbed):
    out = tmp_path / "out"
    run = CohortProcess(films, out, tiny_model)
    assert run.until(lambda: finished(out, 2))
    kill_one(run.workers())
    code, _, said = run.end()
    assert code == 0, said
    assert_whole(out, undisturbed)
    died = [line for line in manifest_lines(out) if line.get("error_code") == "worker-died"]
    assert all("SIGKILL" in line["sentence"] for line in died)
    assert len(done_keys(out)) == COUNT


def test_ctrl_c_finishes_what_is_under_way_and_says_how_to_go_on(films, tiny_model, tmp_path, undisturbed):
    out = tmp_path / "out"
    run = CohortProcess(films, out, tiny_model)
    assert run.until(lambda: finished(out, 1))
    run.process.send_signal(signal.SIGINT)
    code, _, said = run.end()
    if code == 130:
        assert "The volumes under way are finished" in said.replace("the volumes", "The volumes")
        assert "the same command goes on with them" in said.splitlines()[-1]
        states = [row["state"] for row in read_table(out)]
        assert "waiting" in states
        assert "running" not in states
    else:  # all were under way already
        assert code == 0
    assert "Traceback" not in said
    assert CohortProcess(films, out, tiny_model).end()[0] == 0
    assert_whole(out, undisturbed)


def test_two_runs_share_the_work(films, tiny_model, tmp_path, undisturbed):
    out = tmp_path / "out"
    first = CohortProcess(films, out, tiny_model)
    assert first.until(lambda: (out / "cohort.json").exists())
    second = CohortProcess(films, out, tiny_model)
    outcomes = [run.end() for run in (first, second)]
    assert [code for code, _, _ in outcomes] == [0, 0], outcomes
    assert_whole(out, undisturbed)
    assert sorted(done_keys(out)) == sorted(set(done_keys(out))), "no radiograph was done twice"


def test_a_full_disk_ends_the_run_with_a_sentence(films, tiny_model, tmp_path, undisturbed):
    """Files may be no larger than a volume: writing one fails as on a full disk, and nothing half-written stays."""
    import resource

    out = tmp_path / "out"
    limits = (200_000, resource.RLIM_INFINITY)
    run = CohortProcess(films, out, tiny_model, limits=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    code, _, said = run.end()
    assert code == 1, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert "not enough disk space" in last
    assert "the same command goes on with the others" in last
    assert not [path for path in (out / "volumes").rglob("*") if path.is_file()]
    assert CohortProcess(films, out, tiny_model).end()[0] == 0
    assert_whole(out, undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MB; left out where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_in_mid_run(films, tiny_model, small_disk, undisturbed):
    out = small_disk / "out"
    code, _, said = CohortProcess(films, out, tiny_model).end()
    assert code == 1, said
    assert "not enough disk space" in said.splitlines()[-1]
    done = done_keys(out)
    assert 1 <= len(done) < COUNT
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert CohortProcess(films, out, tiny_model).end()[0] == 0
    assert_whole(out, undisturbed)
    assert set(done) <= set(done_keys(out))
    assert len(done_keys(out)) == COUNT
