"""The manifest after every kind of interruption, and leases between real processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from Xray2MRILib.cohort.lease import Leases
from Xray2MRILib.cohort.manifest import EVALUATION, Manifest
from Xray2MRILib.errors import Xray2MRIError


def test_the_last_line_of_a_key_counts(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.append({"key": "a", "kind": "volume", "state": "failed"})
    manifest.append({"key": "a", "kind": "volume", "state": "done"})
    manifest.append({"key": "a", "kind": "evaluation", "state": "refused"})
    again = Manifest(tmp_path)
    assert again.last("a")["state"] == "done"
    assert again.last("a", EVALUATION)["state"] == "refused"
    assert again.last("b") is None


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_was_cut_short_costs_only_itself(tmp_path, cut):
    manifest = Manifest(tmp_path)
    manifest.append({"key": "a", "state": "done"})
    whole = manifest.path.read_bytes()
    manifest.append({"key": "b", "state": "done", "files": {}})
    line = manifest.path.read_bytes()[len(whole) :]
    manifest.path.write_bytes(whole + line[: min(cut, len(line) - 2)])
    after = Manifest(tmp_path)
    assert after.last("a") is not None
    assert after.last("b") is None
    after.append({"key": "c", "state": "done"})
    assert Manifest(tmp_path).last("c") is not None
    assert after.last("c") is not None


def test_a_full_disk_is_a_sentence_and_the_next_line_is_whole(tmp_path):
    code = """
import resource, signal, sys
from pathlib import Path
from Xray2MRILib.cohort.manifest import Manifest
from Xray2MRILib.errors import ProcessingError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
manifest = Manifest(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
try:
    for number in range(9):
        manifest.append({"key": f"k{number}", "state": "done"})
except ProcessingError as error:
    print(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
manifest.append({"key": "later", "state": "done"})
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "disk-full"
    manifest = Manifest(tmp_path)
    assert manifest.last("later") is not None
    assert manifest.last("k0") is not None


def test_shares_of_the_work_have_manifests_of_their_own(tmp_path):
    first, second = Manifest(tmp_path, "0-of-2"), Manifest(tmp_path, "1-of-2")
    first.append({"key": "a", "state": "done"})
    second.append({"key": "b", "state": "failed"})
    assert first.last("b") is None
    first.refresh()
    assert first.last("b")["state"] == "failed"
    assert {path.name for path in tmp_path.iterdir()} == {"manifest-0-of-2.jsonl", "manifest-1-of-2.jsonl"}


def _append_many(folder: str, name: str) -> None:
    manifest = Manifest(Path(folder))
    for number in range(100):
        manifest.append({"key": f"{name}{number}", "state": "done", "filler": "x" * 900})


def test_two_runs_append_to_one_manifest(tmp_path):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_append_many, args=(str(tmp_path), name)) for name in "ab"]
    for run in runs:
        run.start()
    for run in runs:
        run.join(120)
    manifest = Manifest(tmp_path)
    assert all(manifest.last(f"{name}{number}") for name in "ab" for number in range(100))


def test_a_lease_is_held_once_and_given_up(tmp_path):
    mine, other = Leases(tmp_path), Leases(tmp_path)
    assert mine.take("k")
    assert not other.take("k")
    assert other.is_held_elsewhere("k")
    assert other.others()
    assert not mine.others()
    mine.give_up("k")
    assert not other.is_held_elsewhere("k")
    assert other.take("k")
    other.give_up_all()
    assert list((tmp_path / "leases").iterdir()) == []


def test_the_lease_of_a_dead_process_is_taken_over_at_once(tmp_path):
    code = "import sys; from pathlib import Path; from Xray2MRILib.cohort.lease import Leases\n"
    code += "Leases(Path(sys.argv[1])).take('k'); print('held', flush=True); sys.stdin.read()"
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout.readline() == "held\n"
    leases = Leases(tmp_path)
    assert not leases.take("k")
    run.kill()
    if sys.platform == "linux":  # before anybody has asked for its exit code
        time.sleep(0.2)
        assert not leases.others()
    run.wait()
    run.stdout.close()
    run.stdin.close()
    assert leases.take("k")


def test_a_number_that_another_process_has_now_does_not_hold_a_lease(tmp_path):
    leases = Leases(tmp_path)
    (tmp_path / "leases").mkdir()
    lease = {"host": socket.gethostname(), "pid": os.getppid(), "started": "1", "expires": time.time() + 900}
    (tmp_path / "leases" / "k.lease").write_text(json.dumps(lease), encoding="utf-8")
    assert leases.take("k") is (sys.platform == "linux")


def test_the_lease_of_another_machine_lasts_until_it_expires(tmp_path):
    leases = Leases(tmp_path)
    (tmp_path / "leases").mkdir()
    path = tmp_path / "leases" / "k.lease"
    lease = {"host": "elsewhere", "pid": 1, "started": "", "expires": time.time() + 900}
    path.write_text(json.dumps(lease), encoding="utf-8")
    assert not leases.take("k")
    path.write_text(json.dumps({**lease, "expires": time.time() - 1}), encoding="utf-8")
    assert leases.take("k")
    path.write_text("", encoding="utf-8")  # cut short by a crash
    assert Leases(tmp_path).take("k")


def test_a_renewed_lease_does_not_expire(tmp_path):
    mine, other = Leases(tmp_path, lease_s=0.8), Leases(tmp_path)
    mine.take("k")
    for _ in range(5):
        time.sleep(0.3)
        mine.renew("k")
    assert not other.take("k")
    time.sleep(0.9)
    assert other.take("k")


def test_a_folder_that_is_no_folder_is_a_sentence(tmp_path):
    (tmp_path / "leases").write_text("x", encoding="utf-8")
    with pytest.raises(Xray2MRIError) as caught:
        Leases(tmp_path).take("k")
    assert caught.value.code in ("bad-output", "write-failed")
