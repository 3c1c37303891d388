"""The panel as a user has it before him: real Qt widgets, a real scene, the real worker; without a desktop Slicer."""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import slicer
from gui_connectors import connect_gui, connect_parameters_to_gui, disconnect_gui
from panel_loader import ctk, load_panel
from PySide6.QtWidgets import QApplication
from pythonqt_adapter import QtModule, wrap, wrapper_class
from qmrml_stand_ins import QMRML

REPOSITORY = Path(__file__).resolve().parents[3]
UI_FILE = REPOSITORY / "Xray2MRI" / "Resources" / "UI" / "Xray2MRI.ui"


@contextmanager
def slicer_stand_ins() -> Iterator[None]:
    """qt, ctk and the parts of slicer that the package slicer-core lacks, for as long as the context lasts."""
    from parameter_node_stand_in import install

    before = set(sys.modules)
    translation = types.ModuleType("slicer.i18n")
    translation.tr = _translated  # type: ignore[attr-defined]
    app = types.SimpleNamespace(clipboard=lambda: wrap(QApplication.clipboard()))
    classes = {name: wrapper_class(stand_in) for name, stand_in in QMRML.items()}
    with mock.patch.multiple(slicer, create=True, app=app, i18n=translation, **classes):
        sys.modules.update({"qt": QtModule("qt"), "ctk": ctk, "slicer.i18n": translation})
        install()
        try:
            yield
        finally:
            # also what was imported inside and holds on to the qt above; never torch and the like, which cannot be
            # loaded twice
            for name in set(sys.modules) - before:
                package, _, leaf = name.rpartition(".")
                if name in ("qt", "ctk") or package == "slicer" or name.startswith("Xray2MRIModule"):
                    del sys.modules[name]
                if name.startswith("Xray2MRIModule.") and package in sys.modules:
                    vars(sys.modules[package]).pop(leaf, None)


@contextmanager
def panel_logic(runner_factory: Callable[[], Any] | None = None) -> Iterator[Any]:
    """The module's logic with the real worker, by default a QProcess; inside ``slicer_stand_ins`` only."""
    from core_application import CoreApplication
    from Xray2MRIModule.logic import ModuleLogic

    logic = ModuleLogic(application=CoreApplication(), runnerFactory=runner_factory)
    try:
        yield logic
    finally:
        pid, end = logic.jobs.workerPid, time.monotonic() + 20.0
        logic.close()
        # a large process takes its time to go, and Qt must see it go
        while pid is not None and _is_there(pid) and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _translated(text: str) -> str:
    assert isinstance(text, str)
    return text


class Desk:
    """The panel with its scene, as a user has it before him."""

    def __init__(self, logic: Any, model: Path | None = None) -> None:
        """``model`` is the folder of a model for quick()."""
        from Xray2MRIModule.panel.main_panel import MainPanel
        from Xray2MRIModule.parameter_node import Xray2MRIParameterNode

        if not hasattr(Xray2MRIParameterNode, "connectGui"):
            Xray2MRIParameterNode.connectGui = connect_gui
            Xray2MRIParameterNode.connectParametersToGui = connect_parameters_to_gui
            Xray2MRIParameterNode.disconnectGui = disconnect_gui
        self.logic, self.model = logic, model
        self.scene = slicer.mrmlScene
        logic.getParameterNode = self.parameterNode
        self.root = load_panel(UI_FILE)
        self.ui = slicer.util.childWidgetVariables(self.root)
        self.root.setMRMLScene(self.scene)
        self.panel = MainPanel(self.ui, logic, self.parameterNode())
        self.tags = [
            self.scene.AddObserver(self.scene.StartCloseEvent, lambda *_: self.panel.onSceneStartClose()),
            self.scene.AddObserver(self.scene.EndCloseEvent, lambda *_: self.panel.onSceneEndClose()),
            self.scene.AddObserver(self.scene.StartImportEvent, lambda *_: self.panel.onSceneStartImport()),
            self.scene.AddObserver(self.scene.EndImportEvent, lambda *_: self.panel.onSceneEndImport()),
        ]
        widget = self.root._qt
        widget.resize(400, 1000)
        widget.show()
        self.panel.enter()

    def parameterNode(self) -> Any:
        from Xray2MRIModule.parameter_node import Xray2MRIParameterNode

        node = slicer.mrmlScene.GetSingletonNode("Xray2MRI", "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag("Xray2MRI")
            node = slicer.mrmlScene.AddNode(node)
        return Xray2MRIParameterNode(node)

    @property
    def parameters(self) -> Any:
        return self.panel.parameterNode

    def until(self, happened: Callable[[], Any], seconds: float = 120.0) -> None:
        """Run the event loop until something has happened; raises TimeoutError when it does not."""
        end = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s; the panel says: {self.sentences()}")
            QApplication.processEvents()
            self.logic.application.processEvents()
            time.sleep(0.005)

    def sentences(self) -> dict[str, str]:
        """What the message labels say."""
        names = "radiographStatus plausibility stage generateMessage viewMessage compareMessage exportMessage"
        names += " enhanceMessage earlyMessage progressionMessage progressionFrame environmentStatus"
        labels = {name: getattr(self.ui, f"{name}Label").text for name in names.split()}
        return {name: text for name, text in labels.items() if text}

    def load(self, path: Path) -> Any:
        """Load a radiograph as the button does and wait until it has been looked at."""
        self.panel.radiograph.loadFile(path)
        self.until(lambda: self.panel.prepared is not None)
        return self.parameters.radiograph

    def quick(self, slices: int = 30, steps: int = 2) -> None:
        """Choices that make a volume in seconds, entered in the widgets."""
        if self.model is not None:
            self.ui.modelSelector.setCurrentIndex(1)
            self.ui.modelFolderEdit.currentPath = str(self.model)
        self.ui.stepsSpinBox.value = steps
        self.ui.densitySlider.value = float(slices)

    def generate(self) -> Any:
        """Press the button and wait for the volume."""
        self.ui.generateButton.click()
        assert self.ui.generateButton.text == "Cancel", self.sentences()
        self.until(lambda: self.ui.generateButton.text == "Generate pseudo-MRI")
        assert self.parameters.volume is not None, self.sentences()
        return self.parameters.volume

    def volumes(self) -> list[str]:
        """Names of all volume nodes."""
        return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode")]

    def close(self) -> None:
        for tag in self.tags:
            self.scene.RemoveObserver(tag)
        self.panel.cleanup()
        self.logic.cancel()
        self.until(lambda: not self.logic.isBusy, 10)
        self.root.setMRMLScene(None)
        self.root._qt.deleteLater()
        self.scene.Clear(0)
        QApplication.processEvents()
