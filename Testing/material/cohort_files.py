"""Tables and radiographs for the tests of cohorts, and what a table says apart from times."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from Xray2MRILib.generation.settings import GenerationSettings

ROOT = Path(__file__).resolve().parents[2]
RADIOGRAPHS = ROOT / "Testing" / "localization" / "radiographs"
# the detector finds a knee on each of them
REAL = ("0075.webp", "0052.webp")


def quick_settings(model: Path, **changes: Any) -> GenerationSettings:
    """Seconds, not minutes; in fp32, because bf16 depends a little on which slices are computed together."""
    quick = {"model": str(model), "slices": 8, "steps": 1, "device": "cpu", "precision": "fp32"}
    return GenerationSettings(**{**quick, **changes})


def varied_radiographs(folder: Path, count: int) -> list[Path]:
    """Real radiographs of one knee, each with other grey levels, so that each has its own key."""
    folder.mkdir(parents=True, exist_ok=True)
    grey = np.asarray(Image.open(RADIOGRAPHS / REAL[0]).convert("L"))
    paths = []
    for number in range(count):
        path = folder / f"radiograph_{number:03d}.png"
        changed = grey.copy()
        changed[0, : number + 1] = 128  # a few pixels of the rim
        Image.fromarray(changed).save(path, compress_level=1)
        paths.append(path)
    return paths


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A CSV with the keys of all rows as its heading."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(stream.getvalue(), encoding="utf-8")
    return path


def read_table(folder: Path) -> list[dict[str, str]]:
    """Rows of table.csv."""
    lines = (folder / "table.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# Synthetic")
    return list(csv.DictReader(lines[1:]))


def without_times(folder: Path) -> str:
    """The text of table.csv with empty cells for the seconds."""
    rows = read_table(folder)
    for row in rows:
        row["seconds"] = ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def manifest_lines(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of the manifests."""
    lines = []
    for path in sorted(folder.glob("manifest*.jsonl")):
        for text in path.read_text(encoding="ascii").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue
    return lines


def done_keys(folder: Path) -> list[str]:
    """The key of every line ``done`` of a volume, so that work that was done twice appears twice."""
    return [line["key"] for line in manifest_lines(folder) if (line["state"], line["kind"]) == ("done", "volume")]


class CohortProcess:
    """``xray2mri cohort`` as a process of its own, whose workers can be killed."""

    def __init__(
        self, source: Path, output: Path, model: Path, *options: str, limits: Callable[[], None] | None = None
    ):
        command = [sys.executable, "-m", "Xray2MRILib", "cohort", str(source), "-o", str(output), "--model", str(model),
                   "--slices", "8", "--steps", "1", "--device", "cpu", *options]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.output = output
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
            preexec_fn=limits,
        )  # fmt: skip

    def workers(self) -> list[int]:
        """Process numbers of its workers."""
        return children_of(self.process.pid)

    def until(self, condition: Callable[[], bool], patience_s: float = 240.0) -> bool:
        """Wait for a condition; False if the run ended before."""
        limit = time.monotonic() + patience_s
        while time.monotonic() < limit:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        raise AssertionError(f"the condition did not hold within {patience_s} s")

    def kill(self) -> None:
        """Kill the run, not its workers."""
        self.process.kill()
        self.process.communicate()

    def end(self, patience_s: float = 400.0) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=patience_s)
        return self.process.returncode, out, err


def children_of(pid: int) -> list[int]:
    """Living children of a process (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text(encoding="utf-8").rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and state != "Z":
            found.append(int(name.split()[0]))
    return found


def kill_one(pids: Sequence[int], place: int = 0) -> None:
    """Kill one of several processes; one that is gone already does not matter."""
    if pids:
        try:
            os.kill(pids[place % len(pids)], signal.SIGKILL)
        except ProcessLookupError:
            pass
