"""A door to the command line that lets no traceback and no half-written file through."""

from __future__ import annotations

from pathlib import Path

import pytest

from Xray2MRILib.cli import main
from Xray2MRILib.volume.pseudo_mri import PseudoMRI


class CommandDoor:
    """The command, called in this process, with its outcome checked."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.cases = self.refused = 0

    def knock(self, *arguments: str, must_refuse: bool = True, case: str = "") -> int:
        """Run the command; complain unless it is either refused cleanly or done completely."""
        before = set(self.folder.rglob("*"))
        self._capsys.readouterr()
        code = main(list(arguments))
        printed = self._capsys.readouterr()
        new = sorted(path.name for path in set(self.folder.rglob("*")) - before)
        sentences = [line for line in printed.err.splitlines() if line.startswith("xray2mri: ")]
        told = f"{case or arguments}: exit {code}, {printed.err[-300:]!r}, new files {new}"
        self.cases += 1
        assert "Traceback" not in printed.err, told
        assert "unexpected" not in printed.err, told
        if code == 0 and not must_refuse:
            PseudoMRI.load(self.folder / "out.nrrd")
            for name in ("out.nrrd", "out.json"):
                (self.folder / name).unlink()
            return code
        assert code in (1, 2), told
        assert len(sentences) == 1, told
        assert printed.err.splitlines()[-1] == sentences[0], told
        assert printed.out == "", told
        assert new == [], told
        self.refused += 1
        return code


@pytest.fixture
def door(tmp_path, capsys):
    folder = tmp_path / "output"
    folder.mkdir()
    return CommandDoor(folder, capsys)


@pytest.fixture
def arguments(door, knee_radiograph, tiny_model):
    """A generation that would succeed; options given to it come last and win."""

    def built(*options: str, radiograph: Path = knee_radiograph, output: str | None = None) -> list[str]:
        out = output if output is not None else str(door.folder / "out.nrrd")
        quick = ["--model", str(tiny_model), "--slices", "2", "--steps", "1", "--device", "cpu"]
        if not any(option.startswith("--kl") for option in options):
            quick += ["--kl-grade", "2"]
        return ["generate", str(radiograph), "-o", out, *quick, *options]

    return built
