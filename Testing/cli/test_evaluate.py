"""``xray2mri evaluate`` as a user runs it, and the worker's request ``compare`` as a viewer sends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Xray2MRILib.cli import main
from Xray2MRILib.comparison.controls import shipped_knee
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

ROOT = Path(__file__).resolve().parents[2]
from worker_process import WorkerProcess  # noqa: E402


def _scanned(volume: np.ndarray) -> np.ndarray:
    """The volume in other units and with noise, as a scanner would give it."""
    noise = np.random.default_rng(3).normal(0, 10, volume.shape)
    return np.rint(volume * 500 + noise).astype(np.int16)


@pytest.fixture
def volumes(tmp_path) -> tuple[Path, Path]:
    """A small pseudo-MRI and a reference of the same knee."""
    truth = np.ascontiguousarray(shipped_knee()[12:48:3, ::2, ::2])
    pseudo = PseudoMRI.from_depth_slices(truth * 0.9, False, {"model": {"name": "test"}})
    reference = tmp_path / "mri.nrrd"
    sitk.WriteImage(pseudo.to_sitk(_scanned(truth[::-1])), str(reference))
    return pseudo.save(tmp_path / "pseudo.nrrd").volume, reference


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "Xray2MRILib", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=300)


def test_verdict_first_then_the_table_and_the_files(volumes, tmp_path):
    report, table = tmp_path / "r.html", tmp_path / "t.csv"
    done = _run(*volumes, "--align", "none", "-o", report, "--csv", table)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("The pseudo-MRI is ")
    assert any(line.startswith("Edge distance (mm)") and "10.00" in line for line in lines)
    assert any("artefact" in line for line in lines)
    assert any("undefined in" in line for line in lines if line.startswith("RSSIM"))
    assert report.is_file()
    assert "RSSIM" in table.read_text(encoding="utf-8")
    assert "not for diagnosis" in done.stderr


def test_json_and_refusals(volumes, tmp_path):
    done = _run(*volumes, "--align", "none", "--json")
    result = json.loads(done.stdout)
    assert result["summary"]["f1"]["pseudo"] > 0.9
    assert len(result["per_slice"]) == 12
    wrong = _run(volumes[0], volumes[0], "--json", "-o", tmp_path / "r.html")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.count("synthetic") == 1
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_folder_against_a_folder(tmp_path, capsys):
    made, real = tmp_path / "made", tmp_path / "real"
    for name, part in (("a", slice(14, 20)), ("b", slice(30, 36))):
        for folder in (made, real):
            folder.mkdir(exist_ok=True)
        pseudo = PseudoMRI.from_depth_slices(shipped_knee()[part, ::2, ::2], False, {"model": {"name": "test"}})
        pseudo.save(made / f"{name}.nrrd")
        sitk.WriteImage(pseudo.to_sitk(_scanned(pseudo.array)), str(real / f"{name}.nrrd"))
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(real / "alone.nrrd"))
    assert main(["evaluate", str(made), str(real), "--align", "none"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Over 2 knees")
    assert "AUC" in shown.out
    assert "Left out" in shown.err
    assert "alone" in shown.err
    assert "not for diagnosis" in shown.err
    assert main(["evaluate", str(made), str(real), "--csv", str(tmp_path / "t.csv")]) == 2
    assert "--csv is for one volume" in capsys.readouterr().err
    assert main(["evaluate", str(made), str(real / "a.nrrd")]) == 2
    assert "There is no folder a.nrrd" in capsys.readouterr().err


def test_the_worker_compares(volumes, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    worker = WorkerProcess()
    try:
        worker.send("compare", job="c", volume=str(volumes[0]), reference=str(volumes[1]), align="rigid",
                    initial=np.eye(4).ravel().tolist(), output_folder=str(folder))  # fmt: skip
        result = worker.wait_for("result", "error", job="c")["result"]
        for name in ("aligned", "difference", "difference_paper", "report", "table"):
            assert Path(result[name]).is_file(), name
        assert len(result["transform"]) == 16
        assert set(result["per_slice"][0]) >= {
            "index", "depth_mm", "psnr_db", "ssim", "rssim", "edge_mm", "f1", "correlation"
        }  # fmt: skip
        worker.send("compare", job="d", volume=str(volumes[0]), reference=str(tmp_path / "none"),
                    output_folder=str(folder))  # fmt: skip
        assert worker.wait_for("result", "error", job="d")["code"] == "missing-reference"
    finally:
        worker.end()
