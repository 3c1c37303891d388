"""The panel as a whole: its sections, the scene and the parameter node."""

from __future__ import annotations

from typing import Any

import vtk

from .compare_panel import ComparePanel
from .density_panel import DensityPanel
from .early_osteoarthritis_panel import EarlyOsteoarthritisPanel
from .enhance_panel import EnhancePanel
from .environment_panel import EnvironmentPanel
from .export_panel import ExportPanel
from .generate_panel import GeneratePanel
from .grade_panel import GradePanel
from .person_panel import PersonPanel
from .progression_panel import ProgressionPanel
from .radiograph_panel import RadiographPanel
from .section import showAgain
from .setting_labels import withLabel
from .view_panel import ViewPanel


class MainPanel:
    """Everything behind the widgets of Xray2MRI.ui.

    Parameters
    ----------
    ui
        The widgets by name, as slicer.util.childWidgetVariables gives them.
    logic
        The ModuleLogic (or Xray2MRILogic).
    parameterNode
        The Xray2MRIParameterNode, None to begin without.
    parent
        Widget over which file dialogs appear, None for the main window.
    """

    def __init__(self, ui: Any, logic: Any, parameterNode: Any, parent: Any = None) -> None:
        self.ui = ui
        self.logic = logic
        self.parent = parent
        self.parameterNode: Any = None
        self.prepared: dict[str, Any] | None = None
        self.comparison: Any = None
        self._guiTag: Any = None
        self._observerTag: int | None = None
        self._refreshing = False
        self.radiograph = RadiographPanel(self)
        self.grade = GradePanel(self)
        self.person = PersonPanel(self)
        self.generate = GeneratePanel(self)
        self.density = DensityPanel(self)
        self.view = ViewPanel(self)
        self.compare = ComparePanel(self)
        self.export = ExportPanel(self)
        self.environment = EnvironmentPanel(self)
        self.enhance = EnhancePanel(self)
        self.early = EarlyOsteoarthritisPanel(self)
        self.progression = ProgressionPanel(self)
        self.sections = [
            self.radiograph, self.grade, self.person, self.generate, self.density, self.view, self.compare, self.export,
            self.environment, self.enhance, self.early, self.progression,
        ]  # fmt: skip
        self._buttons = [widget for name, widget in vars(ui).items() if name.endswith("Section")]
        for button in self._buttons:
            button.connect("contentsCollapsed(bool)", self._onFolded)
        self._boxes = [ui.earlyBox, ui.personBox, ui.moreChoicesBox, ui.compareDetailsBox]
        for box in self._boxes:
            box.connect("toggled(bool)", self._onFolded)
        logic.jobs.busyChanged.connect(self._onBusyChanged)
        logic.jobs.workerChanged.connect(self.refresh)
        self.setParameterNode(parameterNode)

    def setParameterNode(self, parameterNode: Any) -> None:
        """Bind the widgets to another parameter node; None unbinds them."""
        if self.parameterNode is not None:
            self.parameterNode.disconnectGui(self._guiTag)
            self.parameterNode.RemoveObserver(self._observerTag)
        self.parameterNode = parameterNode
        if parameterNode is not None:
            # connectGui would return no tag, and disconnectGui without one disconnects nothing
            self._guiTag = parameterNode.connectParametersToGui(self._widgetsOfParameters())
            self.radiograph.restrictSelector()
            self._observerTag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self.refresh()

    def enter(self) -> None:
        """The module is shown."""
        if self.parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())
        self.generate.entered()
        self.view.entered()
        # what changed meanwhile, e.g. by loading a scene
        self._onParametersModified()

    def exit(self) -> None:
        """Another module is shown: restore the layout and release the parameter node. A job continues."""
        self.view.left()
        self.setParameterNode(None)

    def cleanup(self) -> None:
        """Release everything."""
        self.logic.jobs.busyChanged.disconnect(self._onBusyChanged)
        self.logic.jobs.workerChanged.disconnect(self.refresh)
        self.view.left()
        self.setParameterNode(None)
        for button in self._buttons:
            button.disconnect("contentsCollapsed(bool)", self._onFolded)
        for box in self._boxes:
            box.disconnect("toggled(bool)", self._onFolded)
        for section in self.sections:
            section.cleanup()

    def onSceneStartImport(self) -> None:
        """Release the parameter node: it changes before the nodes that it refers to are in the scene."""
        self.setParameterNode(None)

    def onSceneEndImport(self) -> None:
        """Show the settings of the scene that was read."""
        self.setParameterNode(self.logic.getParameterNode())
        self.radiograph.sceneRead()
        self.compare.sceneRead()
        self.generate.entered()
        self._onParametersModified()

    def onSceneStartClose(self) -> None:
        """Release all nodes before they are removed."""
        self.setParameterNode(None)
        self.prepared = self.comparison = None
        for section in self.sections:
            section.sceneClosed()

    def onSceneEndClose(self) -> None:
        """Start again on the empty scene."""
        self.setParameterNode(self.logic.getParameterNode())

    def refresh(self) -> None:
        """Show the present state in all sections."""
        if self._refreshing:
            return
        self._refreshing = True
        try:
            for section in self.sections:
                section.refresh()
        finally:
            self._refreshing = False

    def failed(self, failure: Any) -> str:
        """The sentence for a failed job. If the worker cannot start, unfold the section Environment."""
        if failure.code in ("worker-cannot-start", "missing-dependency"):
            self.environment.open()
        return withLabel(self.ui, failure.sentence(), failure.field)

    def worded(self, warnings: list[str], fields: dict[str, str]) -> str:
        """The worker's warnings as one text; ``fields`` is what its result calls ``warning_fields``."""
        return " ".join(withLabel(self.ui, warning, fields.get(warning, "")) for warning in warnings)

    def _widgetsOfParameters(self) -> dict[str, Any]:
        named = {widget.property("SlicerParameterName"): widget for widget in vars(self.ui).values()}
        return {name: widget for name, widget in named.items() if name}

    def _onFolded(self, *_: Any) -> None:
        showAgain(self.ui)

    def _onParametersModified(self, *_: Any) -> None:
        if self.parameterNode is None:
            return
        self.radiograph.parametersChanged()
        self.density.parametersChanged()
        self.compare.parametersChanged()
        self.view.parametersChanged()
        self.refresh()

    def _onBusyChanged(self) -> None:
        if not self.logic.isBusy:
            self.density.onLogicIdle()
        self.refresh()
