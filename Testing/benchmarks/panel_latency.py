"""How long the panel's event loop keeps a user waiting while a volume is made: the gap between due and served ticks.

A timer is due every 10 ms; what it is late is what a click or a drag would have waited. Real widgets, real scene, real
worker on the same machine; drawing the pictures is not part of it, nor is anything that a desktop Slicer does besides.
On a machine that has other work, lateness measures that work too: the processor time of the window's thread between two
ticks is what the panel itself is to blame for.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "Testing/module/panel", "Testing/module/stand_ins", "Testing/material", "Xray2MRI")
sys.path[:0] = [str(ROOT / name) for name in FOLDERS]
PERIOD_S = 0.010


def main() -> None:
    """Measure at rest and while generating; print both as lines of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radiograph", type=Path, default=ROOT / "Testing/localization/radiographs/0075.webp")
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    from PySide6.QtWidgets import QApplication

    QApplication([])
    from panel_desk import Desk, panel_logic, slicer_stand_ins

    with slicer_stand_ins(), panel_logic() as logic:
        desk = Desk(logic)
        try:
            desk.load(options.radiograph)
            desk.quick(options.slices, options.steps)
            end = time.monotonic() + 5.0
            print("| event loop, 50th / 99th percentile / longest | ms | wanted |\n|---|---|---|")
            for line in _lines("at rest", *lateness(lambda: time.monotonic() < end), ""):
                print(line)
            desk.ui.generateButton.click()
            found = lateness(lambda: desk.ui.generateButton.text == "Cancel")
            for line in _lines("while generating", *found, "99th below 50"):
                print(line)
            print(desk.sentences().get("generateMessage", ""))
        finally:
            desk.close()


def lateness(going_on: Callable[[], bool]) -> tuple[list[float], list[float]]:
    """As long as something goes on, for each tick of a 10 ms timer: seconds that it came after it was due, and seconds
    of processor time that this thread had spent since the tick before."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    late: list[float] = []
    spent: list[float] = []
    loop, timer = QEventLoop(), QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    last = [time.perf_counter(), time.thread_time()]

    def tick() -> None:
        now = [time.perf_counter(), time.thread_time()]
        late.append(max(0.0, now[0] - last[0] - PERIOD_S))
        spent.append(now[1] - last[1])
        last[:] = now
        if not going_on():
            loop.quit()

    timer.timeout.connect(tick)
    timer.start(round(1000 * PERIOD_S))
    loop.exec()
    timer.stop()
    return late, spent


def _lines(what: str, late: list[float], spent: list[float], wanted: str) -> list[str]:
    lines = []
    for kind, values in (("lateness", late), ("processor time", spent)):
        ordered = sorted(values)
        figures = [ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], ordered[-1]]
        lines.append(f"| {kind} {what} | {' / '.join(f'{1000 * value:.1f}' for value in figures)} | {wanted} |")
    return lines


if __name__ == "__main__":
    main()
