"""Times and memory of the command as a user starts it: child processes from start to end."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from measurement import Bench, Measurement


def help_time(bench: Bench) -> Iterator[Measurement]:
    """``xray2mri --help``, median of seven."""
    times = []
    for _ in range(7):
        started = time.perf_counter()
        subprocess.run(bench.command("--help"), env=bench.environment, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - started)
    yield Measurement("`xray2mri --help`", f"{statistics.median(times):.2f} s", "under 1 s")


def time_to_first_line(bench: Bench) -> Iterator[Measurement]:
    """From the start of ``xray2mri generate`` to its first progress line, and to the first denoising step."""
    command = bench.generate_command("first_line.nrrd", slices=2, steps=1)
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=bench.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    process.stderr.readline()
    yield Measurement("start to first progress line", f"{time.perf_counter() - started:.2f} s", "under 1 s")
    for line in process.stderr:
        if "sample" in line:
            yield Measurement("start to first denoising step", f"{time.perf_counter() - started:.1f} s")
            break
    process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")


def peak_memory(bench: Bench) -> Iterator[Measurement]:
    """Peak resident memory of whole runs with 50 and 500 slices; the number of steps does not matter for it."""
    few, many = (_peak_bytes(bench, slices) for slices in (50, 500))
    yield Measurement("peak memory, 50 slices", f"{few / 1e6:.0f} MB")
    yield Measurement("peak memory, 500 slices", f"{many / 1e6:.0f} MB")
    yield Measurement("ratio of peak memories, 500 to 50 slices", f"{many / few:.2f}", "at most 1.3")


def _peak_bytes(bench: Bench, slices: int) -> int:
    command = bench.generate_command(f"memory_{slices}.nrrd", slices, steps=1)
    process = subprocess.Popen(command, env=bench.environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    # kilobytes on Linux, bytes on macOS
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
