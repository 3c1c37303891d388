"""The command refuses what it cannot use before any knee is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.cli import main
from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--labels", "nowhere"], "The label map folder nowhere cannot be used: there is no such folder."),
        (["--preview", "sheet.jpg"], "The preview sheet.jpg is not a PNG file."),
        (["--preview", "no_folder/sheet.png"], "does not exist"),
        (["--seed", "1000000"], "overlap those of held-out knees"),
        (["--regraded-every", "-1"], "--regraded-every cannot be -1"),
        (["--regraded-every", "1", "--high-resolution"], "--regraded-every cannot be 1 here"),
        (["--export", "viewers", "--high-resolution"], "The options --export and --preview are for pairs."),
    ],
)
def test_refusals(tmp_path: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "-o", str(tmp_path / "pairs"), "--count", "1", *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob("pairs/knee-*"))


def test_refusal_in_a_real_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "Xray2MRILib", "simulate", "-o", str(tmp_path / "pairs"), "--labels", "nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "there is no such folder" in done.stderr


@pytest.mark.slow
def test_a_knee_is_made_a_second_time_at_another_grade(tmp_path: Path) -> None:
    """Both come as pairs for training and, with ``--export``, as files for viewers."""
    folder, viewers = tmp_path / "pairs", tmp_path / "viewers"
    command = ["simulate", "-o", str(folder), "--count", "1", "--regraded-every", "1", "--export", str(viewers)]
    assert main(command) == 0
    knees = ("knee-000000", "knee-500000")
    assert sorted(path.name for path in viewers.iterdir()) == [
        f"{knee}-{part}" for knee in knees for part in ("mr.nrrd", "radiograph.png")
    ]
    paths = list_pairs(folder)
    assert [path.name for path in paths] == [f"{knee}.npz" for knee in knees]
    healthy, severe = map(read_pair, paths)
    assert (healthy.parameters.kl_grade, severe.parameters.kl_grade) == (0, 4)
    assert healthy.parameters.seed == severe.parameters.seed
    assert healthy.parameters.crop_mm == severe.parameters.crop_mm
    assert severe.joint_space_mm["medial"] < healthy.joint_space_mm["medial"]
    away = np.s_[:, :80]  # far above the joint the knees are one
    assert np.abs(healthy.volume - severe.volume)[away].mean() < 0.01
    assert np.abs(healthy.volume - severe.volume)[:, 120:190].mean() > 0.01
