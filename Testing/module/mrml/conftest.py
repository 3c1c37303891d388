"""Real MRML, the real worker, one finished run for all tests that only look at it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
MODULE = Path(__file__).resolve().parents[3] / "Xray2MRI"
if str(MODULE) not in sys.path:
    sys.path.append(str(MODULE))
pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("vtk")

SETTINGS = {"slices": 5, "steps": 2, "device": "cpu", "seed": 3}


def until(logic, condition, seconds: float = 240.0) -> None:
    """Poll until something is so."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, logic.workerLog[-2000:]
        logic.poll()
        time.sleep(0.01)


@pytest.fixture
def application(tmp_path):
    """A fresh scene with everything around it."""
    from core_application import CoreApplication

    return CoreApplication(tmp_path / "temporary")


@pytest.fixture
def logic(application) -> Iterator:
    """The module's logic on that scene; its worker ends with the test."""
    from Xray2MRIModule.generation_logic import ModuleLogic

    made = ModuleLogic(application)
    yield made
    made.close()


@pytest.fixture
def film(application, knee_film):
    """A real radiograph as a node."""
    return application.loadVolume(str(knee_film), "Film")
