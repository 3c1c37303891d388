"""PySide6 that behaves like PythonQt, Slicer's Qt binding, in the ways that have bitten module authors.

What it copies, after the sources of PythonQt (src/PythonQtInstanceWrapper.cpp, src/PythonQtSignalReceiver.cpp):

- Qt properties are attributes: ``label.text``; they cannot be called. Methods that are no property stay methods.
- Reading an unknown name raises, and so does writing one, writing a read-only property or a value of another type.
- Signals connect as ``w.clicked.connect(f)`` and as ``w.connect("clicked(bool)", f)``. A slot receives only as many
  arguments as it takes, default values counted; an exception in a slot is printed and goes no further.
- ``isinstance`` matches the exact class only. A deleted object raises ValueError. ``exec`` is ``exec_``.
- Static dialogs return bare values. Lists of objects come back as tuples.
- Classes written in Python (the stand-ins for ctk and qMRML widgets) show only their properties, signals, slots and
  what is marked ``invokable``, as their C++ originals do.

What is stricter on purpose: an unknown signal in the string form raises instead of printing and returning False, and
``faults`` keeps the exceptions of slots, so that a test can fail on them.

One file, because the wrapped classes refer to each other.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import inspect
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

faults: list[str] = []
_BARE_DIALOGS = {"getOpenFileName", "getSaveFileName", "getOpenFileNames", "getText", "getItem", "getInt", "getDouble"}
_MODULES = (QtCore, QtGui, QtWidgets)
# these would work in PySide only
_ABSENT = {"Signal", "Slot", "Property", "SIGNAL", "SLOT", "QThread", "QEnum", "ClassInfo"}
_connections: dict[tuple[int, str], list[tuple[Callable, Any]]] = {}


if sys.version_info < (3, 12):
    # PySide6 counts on None, True and False being immortal, as they are since Python 3.12; older ones crash otherwise
    for _constant in (None, True, False):
        ctypes.c_ssize_t.from_address(id(_constant)).value += 1 << 40


def invokable(method: Callable) -> Callable:
    """Mark a method of a stand-in that is Q_INVOKABLE (or a public slot) in the original."""
    method.invokable = True  # type: ignore[attr-defined]
    return method


class EnumValue(int):
    """A value of a Qt enum or flag: a whole number in PythonQt."""

    def __new__(cls, qt_value: enum.Enum) -> EnumValue:
        number = super().__new__(cls, qt_value.value)
        number.qt_value = qt_value  # type: ignore[attr-defined]
        return number

    def __or__(self, other: int) -> Any:
        return wrap(self.qt_value | other.qt_value) if isinstance(other, EnumValue) else int(self) | other


class PythonQtClass(type):
    """Class of the wrapper classes: gives enums and static methods of the Qt class."""

    def __getattr__(cls, name: str) -> Any:
        target = cls.__dict__["qt_class"]
        value = getattr(target, name, None)
        if value is None or name.startswith("_"):
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
        if isinstance(value, type) or not callable(value):
            return wrap(value)
        return functools.partial(_call, value, name)


class PythonQtObject(metaclass=PythonQtClass):
    """Wrapper around one Qt object or value."""

    qt_class: type = object

    def __init__(self, *arguments: Any) -> None:
        object.__setattr__(self, "_qt", self.qt_class(*[unwrap(argument) for argument in arguments]))

    def __init_subclass__(cls, **keywords: Any) -> None:
        if "qt_class" not in cls.__dict__:
            raise TypeError("Subclassing Qt classes in Python crashes or hides misspelt names in Slicer: do not.")

    def __repr__(self) -> str:
        return f"{type(self).__name__} at {id(self._qt):#x}"

    def __eq__(self, other: object) -> bool:
        other = unwrap(other)
        return other is self._qt or (not isinstance(self._qt, QtCore.QObject) and self._qt == other)

    def __hash__(self) -> int:
        return hash(self._qt) if isinstance(self._qt, QtCore.QObject) else id(self._qt)

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        target = object.__getattribute__(self, "_qt")
        _check_alive(self, target)
        if name == "name" and isinstance(target, QtCore.QObject):
            name = "objectName"
        if name == "connect":
            return functools.partial(_connect_by_text, self, target)
        if name == "disconnect":
            return functools.partial(_disconnect_by_text, self, target)
        if isinstance(target, QtCore.QObject):
            if target.metaObject().indexOfProperty(name) >= 0 or name in _dynamic_names(target):
                return wrap(target.property(name))
            if _signal_of(target, name) is not None:
                return SignalOfObject(self, target, name)
        return _method(self, target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        target = self._qt
        _check_alive(self, target)
        if not isinstance(target, QtCore.QObject):
            raise AttributeError(f"{type(self).__name__} has no property {name}")
        index = target.metaObject().indexOfProperty(name)
        if index < 0:
            if name in _dynamic_names(target):
                target.setProperty(name, unwrap(value))
                return
            raise AttributeError(f"Property '{name}' does not exist and creating new attributes on C++ objects "
                                 f"({type(self).__name__}) is not allowed")  # fmt: skip
        property_ = target.metaObject().property(index)
        if not property_.isWritable():
            raise AttributeError(f"Property '{name}' of {type(self).__name__} is not writable")
        _check_type(type(self).__name__, property_, value)
        value = list(value) if isinstance(value, tuple) else value
        if not target.setProperty(name, unwrap(value)):
            raise AttributeError(f"Property '{name}' of {type(self).__name__} cannot be {value!r}")


class SignalOfObject:
    """``w.clicked``: can be connected and disconnected."""

    def __init__(self, owner: PythonQtObject, target: QtCore.QObject, name: str) -> None:
        self._owner, self._target, self._name = owner, target, name

    def connect(self, function: Callable) -> bool:
        return _connect(self._target, self._name, _signal_of(self._target, self._name), function)

    def disconnect(self, function: Callable) -> bool:
        return _disconnect(self._target, self._name, function)


def wrap(value: Any) -> Any:
    """A Qt value as PythonQt hands it to Python."""
    if isinstance(value, (list, tuple)):
        return tuple(wrap(item) for item in value)
    if isinstance(value, enum.Enum):
        return EnumValue(value)
    if isinstance(value, shiboken6.Object):
        wrapper = object.__new__(wrapper_class(type(value)))
        object.__setattr__(wrapper, "_qt", value)
        return wrapper
    return value


def unwrap(value: Any) -> Any:
    """The Qt value inside a wrapper, also within lists; everything else as it is."""
    if isinstance(value, PythonQtObject):
        return value._qt
    if isinstance(value, EnumValue):
        return value.qt_value
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(item) for item in value)
    return value


@functools.cache
def wrapper_class(qt_class: type) -> type:
    """The class that PythonQt shows for a Qt class: flat, so that isinstance matches exactly."""
    return PythonQtClass(qt_class.__name__, (PythonQtObject,), {"qt_class": qt_class})


class QtModule(types.ModuleType):
    """The module ``qt``: every class of QtCore, QtGui and QtWidgets under one roof."""

    def __getattr__(self, name: str) -> Any:
        for module in _MODULES:
            value = getattr(module, name, None)
            if value is not None and name not in _ABSENT:
                return _TIMER if name == "QTimer" else wrapper_class(value) if isinstance(value, type) else value
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


class ClassesModule(types.ModuleType):
    """A module such as ``ctk`` that holds wrapped stand-ins and nothing else."""

    def __init__(self, name: str, stand_ins: dict[str, type]) -> None:
        super().__init__(name)
        for class_name, stand_in in stand_ins.items():
            setattr(self, class_name, wrapper_class(stand_in))


class _Timer(PythonQtObject, metaclass=PythonQtClass):
    qt_class = QtCore.QTimer

    @staticmethod
    def singleShot(milliseconds: int, function: Callable) -> None:
        QtCore.QTimer.singleShot(milliseconds, _guarded(function))


_Timer.__name__ = "QTimer"
_TIMER = _Timer


def _dynamic_names(target: QtCore.QObject) -> list[str]:
    return [bytes(name.data()).decode() for name in target.dynamicPropertyNames()]


def _check_alive(wrapper: PythonQtObject, target: Any) -> None:
    if isinstance(target, QtCore.QObject) and not shiboken6.isValid(target):
        raise ValueError(f"Trying to use a destroyed {type(wrapper).__name__} object")


def _check_type(class_name: str, property_: QtCore.QMetaProperty, value: Any) -> None:
    expected = {"QString": str, "bool": (bool, int), "int": int, "double": (int, float)}.get(property_.typeName())
    if expected is not None and not isinstance(value, expected):
        raise AttributeError(f"Property '{property_.name()}' of {class_name} is a {property_.typeName()}, "
                             f"a {type(value).__name__} does not fit")  # fmt: skip


def _is_stand_in(target: Any, name: str) -> bool:
    """Whether the attribute comes from one of our Python classes rather than from Qt."""
    return any(name in cls.__dict__ for cls in type(target).__mro__ if not cls.__module__.startswith("PySide6"))


def _method(wrapper: PythonQtObject, target: Any, name: str) -> Callable:
    qt_name = {"exec_": "exec"}.get(name, name)
    value = getattr(target, qt_name, None)
    hidden = name.startswith("_") or name == "exec" or not callable(value)
    if not hidden and _is_stand_in(target, qt_name):
        hidden = not getattr(value, "invokable", False)
    if hidden:
        raise AttributeError(f"'{type(wrapper).__name__}' object has no attribute '{name}'")
    return functools.partial(_call, value, name)


def _call(function: Callable, name: str, *arguments: Any) -> Any:
    result = function(*[unwrap(argument) for argument in arguments])
    if name in _BARE_DIALOGS:
        result = result[0] if isinstance(result, tuple) else result
    return wrap(result)


def _signal_of(target: QtCore.QObject, name: str) -> Any:
    value = getattr(target, name, None)
    return value if isinstance(value, QtCore.SignalInstance) else None


def _connect_by_text(wrapper: PythonQtObject, target: QtCore.QObject, signature: str, function: Callable) -> bool:
    return _connect(target, *_signal_by_text(wrapper, target, signature), function)


def _disconnect_by_text(wrapper: PythonQtObject, target: QtCore.QObject, signature: str, function: Callable) -> bool:
    return _disconnect(target, _signal_by_text(wrapper, target, signature)[0], function)


def _signal_by_text(wrapper: PythonQtObject, target: QtCore.QObject, signature: str) -> tuple[str, Any]:
    """Name and bound signal of ``clicked(bool)``; the signature must be one that the class really has."""
    name = signature.partition("(")[0]
    # signals of stand-ins carry Python objects where the originals carry nodes
    originals = getattr(type(target), "signal_signatures", {})
    if signature in originals:
        return originals[signature], getattr(target, originals[signature])
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    index = target.metaObject().indexOfSignal(normalized)
    if index < 0:
        raise AttributeError(f"{type(wrapper).__name__} has no signal {signature}")
    bound = getattr(target, name)
    inner = normalized.partition("(")[2][:-1]
    try:
        return name, bound[inner] if inner else bound
    except (KeyError, IndexError):
        return name, bound


def _connect(target: QtCore.QObject, name: str, signal: Any, function: Callable) -> bool:
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called")
    connection = signal.connect(_guarded(function))
    _connections.setdefault((id(target), name), []).append((function, connection))
    return True


def _disconnect(target: QtCore.QObject, name: str, function: Callable) -> bool:
    known = _connections.get((id(target), name), [])
    for entry in known:
        if entry[0] == function:
            known.remove(entry)
            QtCore.QObject.disconnect(entry[1])
            return True
    return False


def _arguments_taken(function: Callable) -> int | None:
    """How many arguments PythonQt passes: None is all of them."""
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        return None
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
               for parameter in parameters)  # fmt: skip


def _guarded(function: Callable) -> Callable:
    taken = _arguments_taken(function)

    def slot(*arguments: Any) -> None:
        try:
            function(*[wrap(argument) for argument in arguments[:taken]])
        except Exception:
            text = traceback.format_exc()
            faults.append(text)
            print(text, file=sys.stderr)

    return slot
