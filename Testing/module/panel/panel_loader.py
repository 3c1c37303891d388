"""Loads a module's .ui file as Slicer does, and refuses what Slicer would swallow in silence.

Qt Designer's loader takes any property name for a dynamic property and only prints a line about a connection that
cannot be made. Here both raise.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from ctk_stand_ins import CTK
from PySide6.QtCore import QBuffer, QByteArray, QObject
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import QWidget
from pythonqt_adapter import ClassesModule, wrap
from qmrml_stand_ins import QMRML

STAND_INS = {**CTK, **QMRML}
ctk = ClassesModule("ctk", CTK)


class _Loader(QUiLoader):
    def createWidget(self, class_name: str, parent: QWidget | None = None, name: str = "") -> QWidget:
        if class_name not in STAND_INS:
            return super().createWidget(class_name, parent, name)
        widget = STAND_INS[class_name](parent)
        widget.setObjectName(name)
        return widget


def load_panel(path: Path) -> Any:
    """The root widget of a .ui file, wrapped. Raises AssertionError for properties or connections that do not exist."""
    tree = ElementTree.parse(path)
    buffer = QBuffer()
    buffer.setData(_without_stand_in_types(tree))
    buffer.open(QBuffer.OpenModeFlag.ReadOnly)
    root = _Loader().load(buffer)
    assert root is not None, f"{path} cannot be loaded"
    _check_properties(tree, root)
    _connect_scene(tree, root)
    return wrap(root)


def _without_stand_in_types(tree: ElementTree.ElementTree) -> QByteArray:
    """The file without what needs C++ types that our stand-ins lack: node signals and flags of ctk."""
    copy = ElementTree.fromstring(ElementTree.tostring(tree.getroot()))
    for connections in copy.findall("connections"):
        copy.remove(connections)
    for element in copy.iter("widget"):
        for item in element.findall("property"):
            flags = item.find("set")
            if flags is not None and (flags.text or "").startswith("ctk"):
                item.remove(flags)
                ElementTree.SubElement(item, "string").text = flags.text
    return QByteArray(ElementTree.tostring(copy))


def _named(root: QWidget, name: str) -> QObject:
    found = root if root.objectName() == name else root.findChild(QObject, name)
    assert found is not None, name
    return found


def _check_properties(tree: ElementTree.ElementTree, root: QWidget) -> None:
    for element in tree.iter("widget"):
        assert element.get("class") in STAND_INS or element.get("class", "").startswith("Q"), element.get("class")
        widget = _named(root, element.get("name", ""))
        for item in element.findall("property"):
            name = item.get("name", "")
            known = widget.metaObject().indexOfProperty(name) >= 0
            dynamic = item.get("stdset") == "0"
            assert known != dynamic, f"{element.get('class')} {element.get('name')}: property {name}"


def _connect_scene(tree: ElementTree.ElementTree, root: QWidget) -> None:
    """The connections of the file: all lead from the root's signal to the slot of a widget with the same argument."""
    connected = set()
    for connection in tree.iter("connection"):
        sender, signal, receiver, slot = (connection.findtext(tag, "") for tag in
                                          ("sender", "signal", "receiver", "slot"))  # fmt: skip
        assert (signal, slot) == ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"), (signal, slot)
        target = _named(root, receiver)
        assert type(target).__name__ in QMRML, receiver
        _named(root, sender).mrmlSceneChanged.connect(target.setMRMLScene)
        connected.add(receiver)
    scene_widgets = {element.get("name") for element in tree.iter("widget")
                     if element.get("class") in QMRML and element.get("class") != "qMRMLWidget"}  # fmt: skip
    assert scene_widgets == connected, f"not told of the scene: {scene_widgets - connected}"
