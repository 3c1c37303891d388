"""The fixtures of the panel's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pythonqt_adapter
from panel_desk import Desk, panel_logic, slicer_stand_ins
from PySide6.QtWidgets import QApplication

__all__ = ["desk", "faultless", "qt_application", "slicer_modules", "warm_logic"]


@pytest.fixture(scope="session")
def qt_application() -> QApplication:
    """The one Qt application of the test run."""
    return QApplication.instance() or QApplication([])


@pytest.fixture
def faultless(qt_application: QApplication) -> Iterator[None]:
    """Fails a test in which a slot raised, which PythonQt would only print."""
    pythonqt_adapter.faults.clear()
    yield
    faults, pythonqt_adapter.faults[:] = list(pythonqt_adapter.faults), []
    assert not faults, "\n".join(faults)


# not of scope "package": in a folder without __init__.py that means the whole session, and tests of other folders would
# get a QProcess, for which nobody runs the event loop there
@pytest.fixture(scope="module")
def slicer_modules(qt_application: QApplication) -> Iterator[None]:
    """Slicer's modules for the tests of one file."""
    with slicer_stand_ins():
        yield


@pytest.fixture(scope="module")
def warm_logic(slicer_modules: None) -> Iterator[Any]:
    """The module's logic, whose worker is kept warm for the tests of one file."""
    with panel_logic() as logic:
        yield logic


@pytest.fixture
def desk(warm_logic: Any, faultless: None, tiny_model: Path) -> Iterator[Desk]:
    """A fresh panel on an empty scene; a slot that raises fails the test."""
    desk = Desk(warm_logic, tiny_model)
    yield desk
    desk.close()
