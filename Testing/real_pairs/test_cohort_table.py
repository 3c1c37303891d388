"""A cohort from end to end: pairs, split, report, nothing that identifies people, resuming, kills."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cohort_archive import scan_datasets, write_radiograph, write_scan, write_study, write_table
from radiograph_files import sample_pixels

from Xray2MRILib import cli
from Xray2MRILib.errors import InputError
from Xray2MRILib.real_pairs.cohort import prepare_cohort
from Xray2MRILib.real_pairs.cohort_settings import CohortSettings
from Xray2MRILib.real_pairs.knee_preparation import KneeTask, Outcome
from Xray2MRILib.real_pairs.knee_study import KneeStudy
from Xray2MRILib.real_pairs.pair_file import is_real_pair, read_real_pair
from Xray2MRILib.real_pairs.participant_key import PARTS, knee_name, part_of, participant_key
from Xray2MRILib.real_pairs.worker_pool import prepare_all

ROOT = Path(__file__).resolve().parents[2]
ALL = {"shares": (1.0, 0.0, 0.0)}


def prepared_pairs(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.rglob("knee-*.npz"))}


def run_command(*words: object) -> int:
    return cli.main(["prepare", *map(str, words)])


def test_an_archive_becomes_pairs(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clinical = tmp_path / "kl.txt"
    clinical.write_text("ID|SIDE|V00XRKL\n9000099|1|2\n9000123|2|4\n", encoding="utf-8")
    words = (archive, "-o", tmp_path / "o", "--clinical", clinical, "--split", "1,0,0", "--workers", 0, "--json",
             "--source-name", "drawn cohort")  # fmt: skip
    assert run_command(*words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["prepared"] == {"training": 2, "validation": 0, "test": 0}
    assert said["refused"] == 0
    paths = sorted((tmp_path / "o" / "training").glob("knee-*.npz"))
    pairs = {pair.record["side"]: pair for pair in map(read_real_pair, paths)}
    assert {side: pair.kl_grade for side, pair in pairs.items()} == {"right": 2, "left": 4}
    assert all(is_real_pair(path) for path in paths)
    # the drawn scans are alike, and a left one is mirrored
    np.testing.assert_allclose(pairs["right"].volume, pairs["left"].volume[:, :, ::-1], atol=1 / 255)
    assert not np.allclose(pairs["right"].film, pairs["left"].film, atol=0.05)
    manifest = json.loads((tmp_path / "o" / "training" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["source"] == "2 pairs of knee radiograph and MR scan of 2 people (drawn cohort)"
    assert manifest["kl_grades"]["4"] == 1
    report = json.loads((tmp_path / "o" / "report.json").read_text(encoding="utf-8"))
    assert report["by_grade"]["2"] == {"knees": 1, "prepared": 1, "with_doubts": 0}


def test_nothing_in_the_output_identifies_anybody(archive: Path, tmp_path: Path) -> None:
    """Not in names, not in files, not in what compressed parts hold; the private folder has it, for its owner alone."""
    bad = tmp_path / "archive"
    shutil.copytree(archive, bad)
    series = next(bad.glob("0.C.2/9000123/*/00372608"))
    (series / "040").unlink()  # refused with a sentence that names the folder
    assert run_command(bad, "-o", tmp_path / "o", "--workers", 0) == 0
    marks = [b"9000099", b"9000123", b"20050811", b"00372608", b"00100001", str(tmp_path).encode()]
    for path in [tmp_path / "o", *(tmp_path / "o").rglob("*")]:
        assert not any(mark.decode() in path.name for mark in marks)
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".npz":
            with np.load(path) as data:
                content = b"".join(bytes(data[name]) for name in data.files)
        assert not any(mark in content for mark in marks), path.name
    public = (tmp_path / "o" / "knees.csv").read_text(encoding="utf-8")
    assert "The MR series is incomplete" in public
    private = tmp_path / "o-private"
    assert "9000123" in (private / "knees.csv").read_text(encoding="utf-8")
    assert "00372608" in (private / "knees.csv").read_text(encoding="utf-8")
    if os.name == "posix":
        assert private.stat().st_mode & 0o077 == 0
        assert (private / "salt.txt").stat().st_mode & 0o077 == 0


def test_participants_may_keep_their_names(archive: Path, tmp_path: Path) -> None:
    assert run_command(archive, "-o", tmp_path / "o", "--workers", 0, "--keep-identifiers") == 0
    names = {path.name for path in (tmp_path / "o").rglob("*.npz")}
    assert names == {"knee-9000099-20050811-R.npz", "knee-9000123-20050811-L.npz"}


def test_the_split_is_by_participant_and_depends_on_nothing_else() -> None:
    numbers = [str(9_000_000 + 7 * k) for k in range(4000)]
    parts = [part_of(number, (0.7, 0.15, 0.15), 0) for number in numbers]
    shares = [parts.count(part) / len(parts) for part in PARTS]
    np.testing.assert_allclose(shares, (0.7, 0.15, 0.15), atol=0.02)
    assert parts == [part_of(number, (0.7, 0.15, 0.15), 0) for number in numbers]
    assert parts != [part_of(number, (0.7, 0.15, 0.15), 1) for number in numbers]
    # a known value, so that no version splits otherwise
    assert [part_of("9000099", (0.7, 0.15, 0.15), 0), part_of("9000123", (0.7, 0.15, 0.15), 0)] == [
        "validation", "training"]  # fmt: skip
    one, other = b"a" * 16, b"b" * 16
    assert participant_key("9000099", one) != participant_key("9000099", other)
    first, second = (knee_name("9000099", visit, "right", one) for visit in ("00m", "12m"))
    assert first[:17] == second[:17]
    assert first != second


@pytest.mark.slow
def test_faulty_studies_are_refused_and_the_others_prepared(tmp_path: Path, voxels) -> None:
    """One table with every fault; each ends as one row of the report, and the good knee is there."""
    small = np.ascontiguousarray(voxels[:, ::8, ::8])
    good = write_study(tmp_path, "9000001", voxels=small)
    implant = sample_pixels("kl0_right.webp", 12).copy()
    implant[40:70, 100:200] = implant[80:86, 100:200] = implant[86:120, 140:160] = 4095
    series = {
        "gap": write_scan(tmp_path / "gap", [one for k, one in enumerate(scan_datasets(small)) if k not in (30, 31)]),
        "echoes": write_scan(tmp_path / "echoes", scan_datasets(small) + scan_datasets(small, EchoTime=11)),
        "left": write_scan(tmp_path / "left", scan_datasets(small, "left")),
        "empty": tmp_path / "empty",
    }
    series["empty"].mkdir()
    film = {
        "implant": write_radiograph(tmp_path / "implant.dcm", pixels=implant),
        "cut": write_radiograph(tmp_path / "cut.dcm"),
    }
    film["cut"].write_bytes(film["cut"].read_bytes()[:2000])
    row = {"side": "right", "radiograph": good[0], "series": good[1], "kl_grade": 1}
    rows = [{"participant": "9000001", **row}]
    rows += [{"participant": f"90001{k}", **row, "series": path} for k, path in enumerate(series.values())]
    rows += [{"participant": f"90002{k}", **row, "radiograph": path, "box": "41 -42 225 225"}
             for k, path in enumerate(film.values())]  # fmt: skip
    rows += [{"participant": "900030", **row, "radiograph": tmp_path / "nowhere.dcm"}]
    table = write_table(tmp_path / "cohort.csv", rows)
    assert run_command(table, "-o", tmp_path / "o", "--workers", 0) == 0
    report = json.loads((tmp_path / "o" / "report.json").read_text(encoding="utf-8"))
    assert report["prepared"] == 1
    assert report["knees"] == len(rows)
    private = (tmp_path / "o-private" / "knees.csv").read_text(encoding="utf-8")
    for words in ("is incomplete", "2 stacks of slices", "shows the left knee", "shows an implant", "contains no",
                  "nowhere.dcm"):  # fmt: skip
        assert words in private, words
    assert "Traceback" not in private


@pytest.mark.slow
def test_a_run_continues_and_sees_what_changed(tmp_path: Path, voxels) -> None:
    copy, output = tmp_path / "archive", tmp_path / "o"
    for number in ("9000099", "9000123"):
        write_study(copy, number, voxels=np.ascontiguousarray(voxels[:, ::8, ::8]))
    from Xray2MRILib.real_pairs.studies import studies_of

    studies, _ = studies_of(copy)
    settings = CohortSettings(**ALL)
    prepare_cohort(studies, output, settings)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.npz")}
    calls: list[tuple[int, int]] = []
    prepare_cohort(studies, output, settings, progress=lambda done, of: calls.append((done, of)))
    assert not calls
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*.npz")}
    # a slice goes missing: its pair goes too; it comes back: so does the pair
    gone = next(copy.glob("0.C.2/9000099/*/00372608/040"))
    content = gone.read_bytes()
    gone.unlink()
    assert prepare_cohort(studies, output, settings).refused == 1
    assert len(list(output.rglob("*.npz"))) == 1
    gone.write_bytes(content)
    assert prepare_cohort(studies, output, settings).prepared["training"] == 2
    # a pair that was deleted is made again
    next(iter(output.rglob("*.npz"))).unlink()
    assert prepare_cohort(studies, output, settings).prepared["training"] == 2
    assert len(list(output.rglob("*.npz"))) == 2
    with pytest.raises(InputError, match="begun with another frame"):
        prepare_cohort(studies, output, CohortSettings(frame="film", **ALL))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        prepare_cohort(studies, tmp_path / "full", settings)
    with pytest.raises(InputError, match="lies in the output"):
        prepare_cohort(studies, tmp_path / "o2", settings, private=tmp_path / "o2" / "private")


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_ends_as_one_that_is_not(tmp_path: Path, voxels) -> None:
    """Real processes: the whole group is killed again and again; the pairs are those of an undisturbed run."""
    table_rows = []
    for number in ("9000001", "9000002", "9000003", "9000004"):
        film, series = write_study(tmp_path / "a", number, voxels=voxels, side="right")
        table_rows.append({"participant": number, "side": "right", "radiograph": film, "series": series})
    table = write_table(tmp_path / "cohort.csv", table_rows)
    quiet = tmp_path / "quiet"
    (tmp_path / "quiet-private").mkdir(mode=0o700)
    (tmp_path / "quiet-private" / "salt.txt").write_text("00" * 16, encoding="utf-8")
    assert run_command(table, "-o", quiet, "--workers", 0, "--split", "1,0,0") == 0
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path / "quiet-private", tmp_path / "killed-private")
    (tmp_path / "killed-private" / "knees.jsonl").unlink()
    rng = random.Random(5)
    command = [sys.executable, "-m", "Xray2MRILib", "prepare", str(table), "-o", str(killed), "--workers", "2",
               "--split", "1,0,0"]  # fmt: skip
    for attempt in range(9):
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
        if attempt < 5:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(4, 14))
            with contextlib.suppress(ProcessLookupError):
                if rng.random() < 0.5:
                    os.killpg(process.pid, signal.SIGKILL)
                else:  # the parent alone: its processes must not outlive it
                    process.kill()
            process.wait()
            for path in killed.rglob("knee-*.npz"):
                read_real_pair(path)  # complete or not there
        if process.wait() == 0:
            break
    assert process.returncode == 0
    assert prepared_pairs(killed) == prepared_pairs(quiet)
    assert not [path for path in killed.rglob(".xray2mri-*")] or attempt < 5


def die(task: KneeTask) -> Outcome:
    """A process that dies over one of its knees."""
    if task.study.participant == "2":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return Outcome("prepared", seconds=float(os.getpid()))


def fail(task: KneeTask) -> Outcome:
    raise InputError("The disk is full.", code="disk-full")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="processes are killed by a signal")
def test_a_process_that_dies_costs_one_knee_alone(tmp_path: Path) -> None:
    tasks = [
        KneeTask(KneeStudy(str(k), "", "right", Path("x"), Path("y")), tmp_path / f"{k}.npz", "", CohortSettings())
        for k in range(6)
    ]
    outcomes = {task.study.participant: outcome for task, outcome in prepare_all(tasks, die, 2)}
    assert len(outcomes) == 6
    assert {number for number, outcome in outcomes.items() if not outcome.prepared} == {"2"}
    assert outcomes["2"].code == "worker-died"


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_full_disk_stops_the_run(tmp_path: Path, workers: int) -> None:
    work: Callable[[KneeTask], Outcome] = fail
    task = KneeTask(KneeStudy("1", "", "right", Path("x"), Path("y")), tmp_path / "1.npz", "", CohortSettings())
    with pytest.raises(InputError, match="disk is full"):
        list(prepare_all([task], work, workers))


def test_options_are_checked_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_table(tmp_path / "c.csv", [{"participant": 1, "side": "r", "radiograph": "x", "series": "y"}])
    for words, fault in (
        ((tmp_path / "no.csv", "-o", tmp_path / "o"), "There is no no.csv"),
        ((table, "-o", tmp_path / "o", "--split", "1,1,1"), "add up to 1"),
        ((table, "-o", tmp_path / "o", "--workers", "-1"), "--workers"),
        ((table, "-o", table), "is a file"),
    ):
        assert run_command(*words) == 2
        assert fault in capsys.readouterr().err
        assert not (tmp_path / "o").exists()
