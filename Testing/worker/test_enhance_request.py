"""The request ``enhance`` of the worker, in a real process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

sitk = pytest.importorskip("SimpleITK")


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(50, 400, (12, 40, 40)).astype(np.int16))
    image.SetSpacing((1.2, 1.2, 3.6))
    sitk.WriteImage(image, str(tmp_path / "measured.nrrd"))
    return tmp_path / "measured.nrrd"


def test_a_volume_is_enhanced(worker, scan: Path, tmp_path: Path) -> None:
    output = tmp_path / "fine.nrrd"
    worker.send("enhance", job="e1", volume=str(scan), output=str(output), spacing=1.2, model="interpolation")
    result = worker.wait_for("result", "error")["result"]
    assert result["size"] == [40, 40, 36]
    assert sitk.ReadImage(str(output)).GetSize() == (40, 40, 36)
    assert json.loads((tmp_path / "fine.json").read_text(encoding="utf-8"))["enhancement"]["scales"] == [1.0, 1.0, 3.0]
    stages = [report["stage"] for report in worker.reports if report["type"] == "progress"]
    assert stages[-1] == "done"


def test_a_refusal_names_its_field(worker, scan: Path, tmp_path: Path) -> None:
    worker.send("enhance", job="e2", volume=str(scan), output=str(tmp_path / "x.nrrd"), spacing=0.3)
    error = worker.wait_for("result", "error")
    assert error["code"] in ("bad-spacing", "no-such-model")
    assert error["message"].endswith(".")
    assert not (tmp_path / "x.nrrd").exists()
