"""Plain stand-ins for the qMRML widgets of the panel, on real MRML scenes (slicer-core)."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget
from pythonqt_adapter import invokable


class qMRMLWidget(QWidget):
    """Root of a module's panel: hands the scene on through its signal."""

    mrmlSceneChanged = Signal(object)
    signal_signatures = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}  # noqa: RUF012

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    @invokable
    def mrmlScene(self) -> Any:
        return self._scene

    @invokable
    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


def _flag(name: str) -> Property:
    """One of the yes-or-no properties of the node selector."""

    def write(self: qMRMLNodeComboBox, value: bool) -> None:
        self._flags[name] = value
        self._fill()

    return Property(bool, lambda self: self._flags[name], write)


class qMRMLNodeComboBox(QWidget):
    """Chooses a node of the scene by class and attribute; follows nodes that come, go and change their name."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAdded = Signal(object)
    signal_signatures = {  # noqa: RUF012
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QComboBox()
        self._box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.setMinimumContentsLength(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._scene: Any = None
        self._observed: list[tuple[Any, int]] = []
        self._known: list[Any] = []
        self._types: list[str] = []
        self._attributes: dict[str, list[tuple[str, Any]]] = {}
        self._flags = {"showChildNodeTypes": True, "noneEnabled": False, "addEnabled": True, "removeEnabled": True,
                       "editEnabled": False, "renameEnabled": False, "selectNodeUponCreation": True,
                       "showHidden": False}  # fmt: skip
        self._none, self._base = "None", ""
        self._hidden: list[str] = []
        self._current: str | None = None
        self._filling = False
        self._box.currentIndexChanged.connect(self._chosen)

    # the slots and invokable methods of the header

    @invokable
    def mrmlScene(self) -> Any:
        return self._scene

    @invokable
    def setMRMLScene(self, scene: Any) -> None:
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed, self._known, self._scene = [], [], scene
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent,
                          scene.EndCloseEvent):  # fmt: skip
                self._observed.append((scene, scene.AddObserver(event, self._scene_changed)))
        self._fill()

    @invokable
    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    @invokable
    def setCurrentNode(self, node: Any) -> None:
        node_id = node if isinstance(node, str) else None if node is None else node.GetID()
        self._select(node_id if node_id in self._ids() else None)

    @invokable
    def setCurrentNodeID(self, node_id: str) -> None:
        self.setCurrentNode(node_id)

    @invokable
    def nodeCount(self) -> int:
        return len(self._ids())

    @invokable
    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.setdefault(node_type, []).append((name, value))
        self._fill()

    def _scene_changed(self, _caller: Any, _event: str) -> None:
        self._fill()

    def _fits(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._flags["showHidden"]:
            return False
        children = self._flags["showChildNodeTypes"]
        if not any(node.GetClassName() == kind or (children and node.IsA(kind)) for kind in self._types):
            return False
        if any(node.IsA(kind) for kind in self._hidden):
            return False
        wanted = [pair for kind, pairs in self._attributes.items() if node.IsA(kind) for pair in pairs]
        return all(node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
                   for name, value in wanted)  # fmt: skip

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return [node for node in nodes if self._fits(node)]

    def _ids(self) -> list[str]:
        return [node.GetID() for node in self._nodes()]

    def _fill(self) -> None:
        nodes = self._nodes()
        self._observe_candidates()
        self._filling = True
        self._box.clear()
        if self._flags["noneEnabled"] or not nodes:
            self._box.addItem(self._none, None)
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())
        self._filling = False
        ids = [node.GetID() for node in nodes]
        if self._current in ids:
            self._box.blockSignals(True)
            self._box.setCurrentIndex(self._box.findData(self._current))
            self._box.blockSignals(False)
        else:
            self._select(None if self._flags["noneEnabled"] or not ids else ids[0])

    def _observe_candidates(self) -> None:
        """A node may come to fit, or no longer fit, when its attributes change."""
        count = 0 if self._scene is None else self._scene.GetNumberOfNodes()
        for node in (self._scene.GetNthNode(index) for index in range(count)):
            if any(node.IsA(kind) for kind in self._types) and node not in self._known:
                self._known.append(node)
                self._observed.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._node_modified)))

    def _node_modified(self, _caller: Any, _event: str) -> None:
        shown = [self._box.itemData(index) for index in range(self._box.count())]
        if [node_id for node_id in shown if node_id] != self._ids():
            self._fill()
        else:
            self._rename()

    def _rename(self) -> None:
        for index in range(self._box.count()):
            node = self._scene and self._box.itemData(index) and self._scene.GetNodeByID(self._box.itemData(index))
            if node and self._box.itemText(index) != node.GetName():
                self._box.setItemText(index, node.GetName())

    def _chosen(self, index: int) -> None:
        if not self._filling:
            self._select(self._box.itemData(index) if index >= 0 else None)

    def _select(self, node_id: str | None) -> None:
        changed, self._current = node_id != self._current, node_id
        self._box.blockSignals(True)
        self._box.setCurrentIndex(max(0, self._box.findData(node_id)) if node_id else 0)
        self._box.blockSignals(False)
        if changed:
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id or "")

    def _set_types(self, types: list) -> None:
        self._types = list(types)
        self._fill()

    def _set_none(self, text: str) -> None:
        self._none = text
        self._fill()

    def _set_hidden(self, types: list) -> None:
        self._hidden = list(types)
        self._fill()

    def _set_base(self, text: str) -> None:
        self._base = text

    nodeTypes = Property("QStringList", lambda self: self._types, _set_types)
    currentNodeID = Property(str, lambda self: self._current or "", lambda self, text: self.setCurrentNode(text))
    noneDisplay = Property(str, lambda self: self._none, _set_none)
    baseName = Property(str, lambda self: self._base, _set_base)
    hideChildNodeTypes = Property("QStringList", lambda self: self._hidden, _set_hidden)
    showHidden = _flag("showHidden")
    showChildNodeTypes = _flag("showChildNodeTypes")
    noneEnabled = _flag("noneEnabled")
    addEnabled = _flag("addEnabled")
    removeEnabled = _flag("removeEnabled")
    editEnabled = _flag("editEnabled")
    renameEnabled = _flag("renameEnabled")
    selectNodeUponCreation = _flag("selectNodeUponCreation")


class qMRMLTableView(QTableWidget):
    """Shows a table node; read only here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._tag: int | None = None
        self._locked = {"firstRowLocked": False, "firstColumnLocked": False}

    @invokable
    def mrmlTableNode(self) -> Any:
        return self._node

    @invokable
    def setMRMLScene(self, _scene: Any) -> None:
        self.setMRMLTableNode(None)

    @invokable
    def setMRMLTableNode(self, node: Any) -> None:
        if self._node is not None and self._tag is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        self._tag = None if node is None else node.AddObserver("ModifiedEvent", lambda *_: self._fill())
        self._fill()

    def _fill(self) -> None:
        table = None if self._node is None else self._node.GetTable()
        columns = 0 if table is None else table.GetNumberOfColumns()
        self.setColumnCount(columns)
        self.setRowCount(0 if table is None else table.GetNumberOfRows())
        self.setHorizontalHeaderLabels([table.GetColumnName(column) or "" for column in range(columns)])
        for row in range(self.rowCount()):
            for column in range(columns):
                self.setItem(row, column, QTableWidgetItem(table.GetValue(row, column).ToString()))

    firstRowLocked = Property(bool, lambda self: self._locked["firstRowLocked"],
                              lambda self, value: self._locked.update(firstRowLocked=value))  # fmt: skip
    firstColumnLocked = Property(bool, lambda self: self._locked["firstColumnLocked"],
                                 lambda self, value: self._locked.update(firstColumnLocked=value))  # fmt: skip


QMRML = {cls.__name__: cls for cls in (qMRMLWidget, qMRMLNodeComboBox, qMRMLTableView)}
