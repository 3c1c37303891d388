"""The command refuses what it cannot use before any knee is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from Xray2MRILib.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--labels", "nowhere"], "The label map folder nowhere cannot be used: there is no such folder."),
        (["--preview", "sheet.jpg"], "The preview sheet.jpg is not a PNG file."),
        (["--preview", "no_folder/sheet.png"], "does not exist"),
        (["--seed", "1000000"], "overlap those of held-out knees"),
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
