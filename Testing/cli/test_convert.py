"""``xray2mri convert`` as a user runs it, and the same by the worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from volumes import asymmetric_volume
from worker_process import WorkerProcess

from Xray2MRILib.cli import main
from Xray2MRILib.export.convert import format_of
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A volume with its deviation on disk."""
    path = tmp_path_factory.mktemp("saved") / "knee.nrrd"
    asymmetric_volume(5, deviation=True).save(path)
    return path


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "Xray2MRILib", "convert", *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_other_volume_files_are_the_same_volume(saved, tmp_path, capsys):
    before = PseudoMRI.load(saved)
    for name in ("a.mha", "b.nii.gz", "c.nrrd"):
        assert main(["convert", str(saved), str(tmp_path / name), "--json"]) == 0
        files = json.loads(capsys.readouterr().out)["files"]
        assert len(files) == 3
        after = PseudoMRI.load(tmp_path / name)
        np.testing.assert_array_equal(after.array, before.array)
        np.testing.assert_array_equal(after.deviation, before.deviation)
        assert after.provenance == before.provenance
        image = sitk.ReadImage(files[0])
        np.testing.assert_allclose(image.GetOrigin(), before.origin, atol=1e-4)


def test_a_folder_becomes_a_series_in_a_real_process(saved, tmp_path):
    done = _run(saved, tmp_path / "series", "--radiograph", ROOT / "Resources" / "samples" / "kl3_left.webp")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"5 images in {tmp_path / 'series'}"
    assert "not for diagnosis" in done.stderr
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "series"))
    assert sitk.ReadImage(names).GetSize() == (48, 32, 5)


def test_reports_and_tables_go_by_the_ending(saved, tmp_path, capsys):
    assert main(["convert", str(saved), str(tmp_path / "r.html")]) == 0
    assert main(["convert", str(saved), str(tmp_path / "t.csv")]) == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert len((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()) == 7


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        ("knee.pdf", (), "an unknown file extension"),
        ("missing/knee.mha", (), "does not exist"),
        ("series", ("--radiograph", "none.dcm"), "none.dcm cannot be read"),
        ("r.html", ("--comparison", "none.json"), "none.json cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(saved, tmp_path, output, options, words):
    done = _run(saved, tmp_path / output, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_volume_is_not_written_over_itself(saved, capsys):
    assert main(["convert", str(saved), str(saved)]) == 2
    assert "is the volume itself" in capsys.readouterr().err


def test_a_volume_without_side_car_is_refused(tmp_path, capsys):
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(tmp_path / "other.nrrd"))
    assert main(["convert", str(tmp_path / "other.nrrd"), str(tmp_path / "series")]) == 2
    assert "no side-car" in capsys.readouterr().err
    assert not (tmp_path / "series").exists()


def test_names_decide_the_form(tmp_path):
    (tmp_path / "series.2026").mkdir()
    assert format_of(tmp_path / "series.2026") == "dicom"
    assert [format_of(name) for name in ("a.NRRD", "a.nii.gz", "a.htm", "a.csv", "a")] == [
        "file", "file", "report", "table", "dicom",
    ]  # fmt: skip


def test_the_worker_exports_too(saved, tmp_path):
    worker = WorkerProcess()
    try:
        worker.send("export", job="1", volume=str(saved), output=str(tmp_path / "series"), format="dicom")
        result = worker.wait_for("result", "error", job="1")
        assert len(result["result"]["files"]) == 5
        assert all(Path(path).is_file() for path in result["result"]["files"])
        worker.send("export", job="2", volume=str(saved), output=str(tmp_path / "r.html"), format="report")
        assert worker.wait_for("result", "error", job="2")["result"]["files"] == [str(tmp_path / "r.html")]
        worker.send("export", job="2b", volume=str(saved), output=str(tmp_path / "my_report"), format="report")
        files = worker.wait_for("result", "error", job="2b")["result"]["files"]
        assert [Path(path).name for path in files] == ["report.html", "slices.csv"]
        assert sorted(path.name for path in (tmp_path / "my_report").iterdir()) == ["report.html", "slices.csv"]
        worker.send("export", job="3", volume=str(saved), output=str(tmp_path / "series"), format="dicom")
        assert worker.wait_for("result", "error", job="3")["code"] == "bad-output"
        worker.send("export", job="4", volume=str(saved), output=str(tmp_path / "x"), format="pdf")
        assert worker.wait_for("result", "error", job="4")["code"] == "bad-option"
    finally:
        worker.end()
