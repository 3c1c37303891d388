"""The figures of generated volumes are those of what viewers show, with noise and range of stored scans."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_volume_that_viewers_read_is_measured(knee_radiograph: Path, tiny_model: Path, tmp_path: Path) -> None:
    """Beside the measures of the written file, cut at its clip level; the noise-free file has others."""
    knees = tmp_path / "knees"
    knees.mkdir()
    rows = ["file,kind,kl_expert_1,kl_expert_2"]
    for grade in range(5):
        shutil.copy(knee_radiograph, knees / f"{grade}.webp")
        rows.append(f"{grade}.webp,single,{grade},{grade}")
    (knees / "index.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    options = ["--per-grade", "1", "--model", str(tiny_model), "--steps", "1", "--shown", "1"]
    _run("generated_look.py", "--sets", str(knees), *options, "-o", str(tmp_path))
    viewed, noise_free = tmp_path / "volume.nrrd", tmp_path / "volume_noise_free.nrrd"
    level = np.percentile(sitk.GetArrayFromImage(sitk.ReadImage(str(noise_free)))[::2, ::2, ::2], 100 - 5.7)
    for file in (viewed, noise_free):
        read = sitk.ReadImage(str(file))
        cut = sitk.GetImageFromArray(np.minimum(sitk.GetArrayFromImage(read) / level, 1).astype(np.float32))
        cut.CopyInformation(read)
        sitk.WriteImage(cut, str(file))
    _run("mr_realism.py", str(viewed), str(noise_free), "--csv", str(tmp_path / "files.csv"))
    found = _rows(tmp_path / "figures.csv")[-1]  # of the radiograph whose volume was written last
    for_viewers, without_noise = _rows(tmp_path / "files.csv")
    for figure in ("background mean/SD", "muscle SD", "adjacent correlation", "bright share, slice 8"):
        expected = float(for_viewers[figure])
        assert float(found[figure]) == pytest.approx(expected, rel=0.001)
        assert float(without_noise[figure]) != pytest.approx(expected, rel=0.05)


def _run(script: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, f"Testing/benchmarks/{script}", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
