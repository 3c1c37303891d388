"""The Python of the background process, and the environment of its processes.

The default is Slicer's own Python. A user may choose another one, e.g. a native one on a Mac whose Slicer runs under
Rosetta; then Slicer's folder does not need torch.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from ..translation import tr as _

SETTING = "Xray2MRI/inferencePython"
_LIBRARY = "Xray2MRILib"
# Slicer's launcher sets these for its own Python; another Python would load the wrong libraries
_OWN_TO_SLICER = ("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONSTARTUP", "PYTHONEXECUTABLE")
# without Slicer's settings, as in tests, a choice lasts until the process ends
_unsaved: dict[str, str] = {}


def applicationPython() -> str:
    """The Python of the application: PythonSlicer in Slicer, this interpreter elsewhere."""
    return shutil.which("PythonSlicer") or sys.executable


def externalPython() -> str | None:
    """The Python that the user chose instead, None when it is the application's own."""
    settings = _settings()
    chosen = _unsaved.get(SETTING) if settings is None else settings.value(SETTING)
    return str(chosen) if chosen else None


def chooseExternalPython(path: str | None) -> None:
    """Remember another Python for the computation; None or "" returns to the application's own.

    Raises ValueError with one sentence for a path that cannot be a Python.
    """
    path = str(path or "").strip()
    if path:
        fault = faultOfPython(path)
        if fault:
            raise ValueError(fault)
    settings = _settings()
    if settings is None:
        _unsaved[SETTING] = path
    elif path:
        settings.setValue(SETTING, path)
    else:
        settings.remove(SETTING)


def inferencePython() -> str:
    """The Python of the background process."""
    return externalPython() or applicationPython()


def faultOfPython(path: str) -> str | None:
    """What is wrong with the path of a Python, as one sentence; None if it seems usable. Nothing is run."""
    name = Path(path).name
    if not Path(path).is_absolute():
        return _(
            "The path {path} of the Python is not absolute: choose the file itself, e.g. /opt/venv/bin/python."
        ).format(path=path)
    if Path(path).is_dir():
        return _("{name} is a folder: choose the Python program in it, e.g. bin/python or python.exe.").format(
            name=name
        )
    if not Path(path).is_file():
        return _("The file {name} does not exist: choose the Python program again.").format(name=name)
    if not os.access(path, os.X_OK):
        return _("The file {name} is not executable: choose the Python program of an environment.").format(name=name)
    return None


def workerArguments() -> list[str]:
    """The arguments with which a Python runs the background worker."""
    return ["-u", "-m", f"{_LIBRARY}.worker"]


def libraryFolder() -> Path:
    """The folder of the package Xray2MRILib: that of the installed module, or the root of a checkout.

    Raises FileNotFoundError if the package is in none of them.
    """
    here = Path(__file__).resolve().parents[2]
    for folder in (here, here.parent):
        if (folder / _LIBRARY / "__init__.py").is_file():
            return folder
    found = importlib.util.find_spec(_LIBRARY)
    if found is None or found.origin is None:
        raise FileNotFoundError(_("The package Xray2MRILib is missing: reinstall the extension."))
    return Path(found.origin).resolve().parents[1]


def childEnvironment(python: str) -> dict[str, str]:
    """The whole environment for a process of this Python: it finds Xray2MRILib and uses UTF-8.

    A Python other than the application's gets the environment from before the start of Slicer, without the
    libraries of Slicer. One core stays free for the window, so that it responds while the process computes.
    """
    own = _samePath(python, applicationPython()) or _samePath(python, sys.executable)
    environment = dict(os.environ) if own else _environmentBeforeSlicer()
    paths = [str(libraryFolder())]
    if own and environment.get("PYTHONPATH"):
        paths += environment["PYTHONPATH"].split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    environment.update(PYTHONUTF8="1", PYTHONUNBUFFERED="1", PYTORCH_ENABLE_MPS_FALLBACK="1")
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    return environment


def _environmentBeforeSlicer() -> dict[str, str]:
    environment = dict(os.environ)
    application = getattr(sys.modules.get("slicer"), "app", None)
    if hasattr(application, "startupEnvironment"):  # in the application, not in another process
        import slicer.util

        environment = dict(slicer.util.startupEnvironment())
    return {name: value for name, value in environment.items() if name.upper() not in _OWN_TO_SLICER}


def _samePath(one: str, other: str) -> bool:
    return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))


def _settings():
    """The settings of the application, None where there is none."""
    try:
        import qt

        return qt.QSettings()
    except (ImportError, AttributeError):
        return None
