"""Real MRML and the real worker with the shipped model; slicer-core instead of the application."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

import pytest

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
# Triton, which torch loads, and Mesa, which draws here, both carry LLVM: in the other order the process crashes.
# In Slicer torch never enters the process.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401
pytest.importorskip("vtk", reason="vtk is not installed")
pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture(autouse=True, scope="module")
def no_event_loop() -> None:
    """With Qt the worker would be a QProcess, whose words wait for an event loop that nobody runs in these tests."""
    assert "qt" not in sys.modules, "stand-ins of the panel's tests have been left behind"


@pytest.fixture
def application(tmp_path):
    """A fresh scene with everything around it."""
    from core_application import CoreApplication

    return CoreApplication(tmp_path / "temporary")


@pytest.fixture
def logic(application) -> Iterator:
    """The module's logic on that scene, without a worker until a job starts one."""
    from subprocess_runner import SubprocessRunner
    from Xray2MRIModule.logic import ModuleLogic

    made = ModuleLogic(application, SubprocessRunner)
    yield made
    made.close()


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> Iterator:
    """One logic with one warm worker for all tests of a file. The scene goes on from test to test."""
    from core_application import CoreApplication
    from subprocess_runner import SubprocessRunner
    from Xray2MRIModule.logic import ModuleLogic

    made = ModuleLogic(CoreApplication(tmp_path_factory.mktemp("temporary")), SubprocessRunner)
    yield made
    made.close()


@pytest.fixture
def radiograph(application, knee_radiograph):
    """A real radiograph as a node."""
    return application.loadVolume(str(knee_radiograph), "Film")


@pytest.fixture
def module_file(monkeypatch, application):
    """Xray2MRI.py as Slicer loads it."""
    import types

    import slicer
    from scripted_module import load_module_file

    monkeypatch.setattr(slicer, "app", types.SimpleNamespace(processEvents=lambda: None), raising=False)
    # slicer-core reads no pictures
    monkeypatch.setattr(
        slicer.util, "loadVolume", lambda path, options: application.loadVolume(path, options["name"]), raising=False
    )
    return load_module_file(monkeypatch)


@pytest.fixture(scope="session")
def until() -> Callable:
    """Polls a logic until something is so."""

    def wait(logic, condition, seconds: float = 240.0) -> None:
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, logic.jobs.workerLog[-2000:]
            logic.jobs.poll()
            time.sleep(0.01)

    return wait


@pytest.fixture
def synthetic(application):
    """A marked volume in the geometry of the worker's files, without a worker: a bright ball in a dark box."""
    import numpy as np
    from Xray2MRIModule.scene.provenance_attributes import set_record
    from Xray2MRIModule.scene.volume_nodes import create_streaming_volume, notify_voxels_changed

    from Xray2MRILib.volume.writing import volume_grid, voxels_sha256

    node = create_streaming_volume(application.scene, "Pseudo-MRI (synthetic)", volume_grid(12, 64, 64))
    depth, row, column = np.meshgrid(*(np.linspace(-1, 1, count) for count in (12, 64, 64)), indexing="ij")
    import slicer

    voxels = slicer.util.arrayFromVolume(node)
    # off centre, so that a wrong turn shows: towards the patient's right and upwards
    voxels[:] = 3500 * (((depth * 0.5) ** 2 + (row + 0.3) ** 2 + (column + 0.4) ** 2) < 0.2) + 300
    notify_voxels_changed(node)
    node.SetSaveWithScene(True)
    set_record(node, {"volume": {"voxels_sha256": voxels_sha256(voxels)}, "notice": "Synthetic."})
    return node
