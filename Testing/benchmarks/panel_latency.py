"""How long the panel's event loop keeps a user waiting while a volume is made: the gap between due and served ticks.

A timer is due every 10 ms; what it is late is what a click or a drag would have waited. Real widgets, real scene, real
worker on the same machine; drawing the pictures is not part of it, nor is anything that a desktop Slicer does besides.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(folder)
    for folder in (ROOT, *(ROOT / "Testing/module" / name for name in ("panel", "mrml", "")), ROOT / "Xray2MRI")
]
PERIOD_S = 0.010


def main() -> None:
    """Measure at rest and while generating; print both as lines of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radiograph", type=Path, default=ROOT / "Testing/localization/films/0075.webp")
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    from PySide6.QtWidgets import QApplication

    application = QApplication([])
    from panel_desk import Desk, panel_logic, slicer_stand_ins

    with slicer_stand_ins(), panel_logic() as logic:
        desk = Desk(logic)
        try:
            desk.load(options.radiograph)
            desk.quick(options.slices, options.steps)
            end = time.monotonic() + 5.0
            print("| event loop, 50th / 99th percentile / longest | ms | wanted |\n|---|---|---|")
            print(_line("at rest", lateness(application, lambda: time.monotonic() < end), ""))
            desk.ui.generateButton.click()
            late = lateness(application, lambda: desk.ui.generateButton.text == "Cancel")
            print(_line("while generating", late, "99th below 50"))
            print(desk.sentences().get("generateMessage", ""))
        finally:
            desk.close()


def lateness(application: object, going_on: object) -> list[float]:
    """Seconds that each tick of a 10 ms timer came after it was due, as long as something goes on."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    late: list[float] = []
    loop, timer = QEventLoop(), QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    last = [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        late.append(max(0.0, now - last[0] - PERIOD_S))
        last[0] = now
        if not going_on():
            loop.quit()

    timer.timeout.connect(tick)
    timer.start(round(1000 * PERIOD_S))
    loop.exec()
    timer.stop()
    return late


def _line(what: str, late: list[float], wanted: str) -> str:
    ordered = sorted(late)
    figures = [ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], ordered[-1]]
    return f"| {what} | {' / '.join(f'{1000 * value:.1f}' for value in figures)} | {wanted} |"


if __name__ == "__main__":
    main()
