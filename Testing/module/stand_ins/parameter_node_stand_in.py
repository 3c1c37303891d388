"""What the parameter node needs of slicer.parameterNodeWrapper, which the package slicer-core lacks.

It keeps each value as a parameter of the vtkMRMLScriptedModuleNode (nodes as node references), as the original does,
raises ValueError for a value out of its range, and passes AddObserver and the like on to the node. As the original, it
answers with the node that a reference named when the parameter node was modified last: while a scene is read, that is
none, because the parameter node changes before the other nodes are there.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
import typing
import weakref
from typing import Any


class WithinRange:
    """Bounds of a number, both included."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def check(self, value: Any) -> None:
        """Raises ValueError."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


class Choice:
    """The values that are allowed."""

    def __init__(self, choices: list) -> None:
        self.choices = choices

    def check(self, value: Any) -> None:
        """Raises ValueError."""
        if value not in self.choices:
            raise ValueError(f"{value} is none of {self.choices}")


class Default:
    """A default made anew for each node."""

    def __init__(self, value: Any = None, *, generator: Any = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        """The default."""
        return self._generator() if self._generator else self._value


class _Parameter:
    """Descriptor of one parameter: where it is kept and what it accepts."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        arguments = typing.get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        self.name, self.kind = name, arguments[0]
        self.rules = [item for item in arguments[1:] if hasattr(item, "check")]
        made = next((item for item in arguments[1:] if isinstance(item, Default)), None)
        self.default = made or Default(default)
        self.is_node = isinstance(self.kind, type) and hasattr(self.kind, "SetNodeReferenceID")
        if not self.is_node and self.default.value is None:
            self.default = Default((typing.get_origin(self.kind) or self.kind)())

    def __get__(self, wrapper: Any, owner: type | None = None) -> Any:
        if wrapper is None:
            return self
        if self.is_node:
            return wrapper.nodesAtLastChange.get(self.name)
        node = wrapper.parameterNode
        text = node.GetParameter(self.name)
        return self.default.value if text == "" else json.loads(text)

    def __set__(self, wrapper: Any, value: Any) -> None:
        node = wrapper.parameterNode
        if self.is_node:
            if value is not None and not isinstance(value, self.kind):
                raise ValueError(f"{self.name} cannot be a {type(value).__name__}")
            wrapper.nodesAtLastChange[self.name] = value
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
            return
        if self.kind in (int, float, str, bool):
            if self.kind is int and isinstance(value, float) and not value.is_integer():
                raise ValueError(f"{self.name} cannot be {value}")
            value = self.kind(value)
        for rule in self.rules:
            rule.check(value)
        node.SetParameter(self.name, json.dumps(value))


def _keep_node(self: Any, node: Any) -> None:
    object.__setattr__(self, "parameterNode", node)
    object.__setattr__(self, "nodesAtLastChange", {})
    references = [name for name, item in vars(type(self)).items() if isinstance(item, _Parameter) and item.is_node]
    known = weakref.ref(self)

    def read(caller: Any, _event: str) -> None:
        wrapper = known()
        if wrapper is not None:
            wrapper.nodesAtLastChange.update({name: caller.GetNodeReference(name) for name in references})

    read(node, "")
    tag = node.AddObserver("ModifiedEvent", read)
    weakref.finalize(self, node.RemoveObserver, tag).atexit = False


def _attribute_of_node(self: Any, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(self.parameterNode, name)


def _set_parameter(self: Any, name: str, value: Any) -> None:
    if name not in type(self).allParameters:
        raise AttributeError(f"There is no parameter {name}")
    object.__setattr__(self, name, value)


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator; the class is then made with a vtkMRMLScriptedModuleNode."""
    hints = typing.get_type_hints(cls, include_extras=True)
    for name, hint in hints.items():
        setattr(cls, name, _Parameter(name, hint, cls.__dict__.get(name)))

    cls.__init__, cls.__getattr__, cls.__setattr__ = _keep_node, _attribute_of_node, _set_parameter
    cls.allParameters = hints
    return cls


def _is_missing() -> bool:
    return importlib.util.find_spec("slicer.parameterNodeWrapper") is None


def install() -> None:
    """Make ``from slicer.parameterNodeWrapper import ...`` work where the real one is not there."""
    if "slicer.parameterNodeWrapper" not in sys.modules and _is_missing():
        module = types.ModuleType("slicer.parameterNodeWrapper")
        for item in (parameterNodeWrapper, WithinRange, Choice, Default):
            setattr(module, item.__name__, item)
        sys.modules["slicer.parameterNodeWrapper"] = module
