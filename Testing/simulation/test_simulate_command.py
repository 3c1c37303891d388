"""The command refuses what it cannot use before any knee is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "Xray2MRILib", "simulate", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--labels", "nowhere"], "The label map folder nowhere cannot be used: there is no such folder."),
        (["--preview", "sheet.jpg"], "The preview sheet.jpg is not a PNG file."),
        (["--preview", "no_folder/sheet.png"], "does not exist"),
    ],
)
def test_refusals(tmp_path: Path, options: list[str], sentence: str) -> None:
    done = simulate("-o", str(tmp_path / "pairs"), "--count", "1", *options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("pairs/knee-*"))
