"""connectGui for the tests' parameter nodes, with the rules of Slicer's parameterNodeWrapper (guiConnectors.py there).

Widgets carry the name of their parameter in the dynamic property SlicerParameterName. The kind of widget must match
exactly, sliders need bounds, and the connector imposes the parameter's range (or node class) on the widget.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import slicer
import vtk

_SIGNALS = {
    "QCheckBox": (bool, "stateChanged(int)"),
    "QPushButton": (bool, "toggled(bool)"),
    "QSpinBox": (int, "valueChanged(int)"),
    "QSlider": (int, "valueChanged(int)"),
    "QDoubleSpinBox": (float, "valueChanged(double)"),
    "ctkSliderWidget": ((float, int), "valueChanged(double)"),
    "QLineEdit": (str, "textChanged(QString)"),
    "ctkPathLineEdit": (Path, "currentPathChanged(QString)"),
    "qMRMLNodeComboBox": (vtk.vtkObject, "currentNodeChanged(vtkMRMLNode*)"),
}
_VALUE = {"QCheckBox": "checked", "QPushButton": "checked", "QLineEdit": "text", "ctkPathLineEdit": "currentPath"}


class Connector:
    """One widget bound to one parameter."""

    def __init__(self, widget: Any, datatype: Any) -> None:
        kind = type(widget).__name__
        annotated = get_origin(datatype) is Annotated
        plain, notes = (get_args(datatype)[0], get_args(datatype)[1:]) if annotated else (datatype, ())
        wanted, self._signal = _SIGNALS.get(kind, (None, ""))
        if wanted is None or not issubclass(plain, wanted):
            raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{kind}'.")
        self._widget, self._type, self._kind = widget, plain, kind
        bounds = [note for note in notes if hasattr(note, "minimum") and hasattr(note, "maximum")]
        if kind == "ctkSliderWidget" and not bounds:
            raise RuntimeError("Cannot have a connection to ctkSliderWidget where the float types is unbounded.")
        if kind == "ctkSliderWidget" and plain is int:
            widget.decimals = 0
        if bounds and kind.endswith(("SpinBox", "Slider", "SliderWidget")):
            number = float if kind == "ctkSliderWidget" else int
            widget.minimum, widget.maximum = number(bounds[0].minimum), number(bounds[0].maximum)
        if kind == "qMRMLNodeComboBox":
            # fails for an abstract class, as the original does
            widget.nodeTypes = [plain().GetClassName()]

    def connect(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._widget.connect(self._signal, self._callback)

    def disconnect(self) -> None:
        self._widget.disconnect(self._signal, self._callback)

    def read(self) -> Any:
        if self._kind == "qMRMLNodeComboBox":
            return self._widget.currentNode()
        value = getattr(self._widget, _VALUE.get(self._kind, "value"))
        return self._type(value)

    def write(self, value: Any) -> None:
        if self._kind == "qMRMLNodeComboBox":
            self._widget.setCurrentNode(value)
            return
        value = str(value) if self._kind == "ctkPathLineEdit" else value
        setattr(self._widget, _VALUE.get(self._kind, "value"), value)


class Binding:
    """All widgets of a panel bound to one parameter node; its methods stand in for those of the real wrapper."""

    def __init__(self, node: Any, widgets: dict[str, Any]) -> None:
        types = get_type_hints(type(node), include_extras=True)
        self._node, self._updating = node, False
        self._connectors = {name: Connector(widget, types[name]) for name, widget in widgets.items()}
        for name, connector in self._connectors.items():
            connector.write(getattr(node, name))
            connector.connect(self._callback(name, connector))
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update())

    def release(self) -> None:
        for connector in self._connectors.values():
            connector.disconnect()
        self._node.RemoveObserver(self._tag)

    def _callback(self, name: str, connector: Connector) -> Callable[[], None]:
        def changed() -> None:
            if not self._updating:
                with slicer.util.NodeModify(self._node):
                    setattr(self._node, name, connector.read())

        return changed

    def _update(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self._node):
                for name, connector in self._connectors.items():
                    connector.write(getattr(self._node, name))
        finally:
            self._updating = False


def connect_parameters_to_gui(node: Any, widgets: dict[str, Any]) -> Binding:
    """``connectParametersToGui``: the tag is the binding itself."""
    return Binding(node, widgets)


def connect_gui(node: Any, ui: Any) -> None:
    """``connectGui`` gives no tag, in any version of Slicer up to 5.13: what it connects can never be disconnected."""
    named = {widget.property("SlicerParameterName"): widget for widget in vars(ui).values()}
    Binding(node, {name: widget for name, widget in named.items() if name})


def disconnect_gui(_node: Any, binding: Binding | None) -> None:
    """``disconnectGui``: an unknown tag, such as None, is passed over in silence."""
    if binding is not None:
        binding.release()
