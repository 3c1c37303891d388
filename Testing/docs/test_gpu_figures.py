"""What the pages say of the paper's model on a GPU is what was measured there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULT = json.loads((ROOT / "docs/results/paper_preset_gpu.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/precision.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "name"), [("forward step, 50 slices", "forward_step"), ("training step, 16 slices", "training_step")]
)
def test_a_step_of_the_table_is_the_measured_one(row: str, name: str) -> None:
    measured = RESULT[name]
    cells = re.search(rf"\| {row} \(([\d.]+) TFLOP\) \| (\d+) ms \| (\d+) % \| ([\d.]+) GB \|", PAGE)
    assert cells is not None
    tflop, milliseconds, share, memory = map(float, cells.groups())
    assert tflop == pytest.approx(measured["tflop_of_step"], abs=0.006)
    assert milliseconds == round(1000 * measured["seconds"])
    assert share == round(100 * measured["tflops"] / RESULT["peak_tflops"])
    assert memory == round(measured["largest_memory_gb"], 1)
    said = re.search(rf"\| {row}[^\n]*\n\| the same, compiled \| not measured", PAGE)
    assert (said is not None) == (RESULT[f"{name}_compiled"] is None)


@pytest.mark.parametrize("steps", [4, 20])
def test_a_volume_of_the_table_is_the_measured_one(steps: int) -> None:
    measured = RESULT["volume"][f"{steps} steps"]
    cells = re.search(rf"\| volume, 50 slices, {steps} steps \| ([\d.]+) s \| \| ([\d.]+) GB \|", PAGE)
    assert cells is not None
    assert float(cells[1]) == round(measured["seconds"], 2)
    assert float(cells[2]) == round(measured["largest_memory_gb"], 1)


def test_the_cost_of_a_long_training_follows_from_the_measured_step() -> None:
    page = (ROOT / "docs/training-on-oai.md").read_text(encoding="utf-8")
    per_slice = RESULT["forward_step"]["tflop_of_step"] / 50
    step = 64 * 3 * per_slice
    assert step == pytest.approx(34.4, rel=0.005)
    seconds = float(re.search(r"\| a step \|[^|]*\| ([\d.]+) s \|", page)[1])
    assert seconds == pytest.approx(step / 45, rel=0.02)
    assert seconds == pytest.approx(4 * RESULT["training_step"]["seconds"], rel=0.02)
    hours = float(re.search(r"\| 233,000 steps[^|]*\|[^|]*\| (\d+) h \|", page)[1])
    assert hours == pytest.approx(233_000 * seconds / 3600, rel=0.03)
