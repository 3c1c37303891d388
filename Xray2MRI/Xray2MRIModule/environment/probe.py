"""Examines one Python and prints the facts as one line of JSON. Run as a program, never imported by Slicer.

    PYTHON probe.py REQUIREMENTS_FILE

Until the packages are imported it uses only the standard library of Python 3.6 and later, so that an unsuitable
Python can report itself. The process ends with its caller: end of file on stdin ends it.
"""

import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import threading

# distribution name -> module, where they differ
_MODULES = {
    "scikit-image": "skimage",
    "pillow": "PIL",
    "pylibjpeg-libjpeg": "libjpeg",
    "pylibjpeg-openjpeg": "openjpeg",
}


def names_of(requirements_file):
    """Distribution names in a requirements file."""
    names = []
    with open(requirements_file, encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip())
            if match:
                names.append(match.group())
    return names


def installed_version(name):
    """Version of an installed distribution, None without it."""
    try:
        from importlib import metadata
    except ImportError:  # before Python 3.8
        return None
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def fault_of_import(module):
    """Why a module cannot be loaded, in one line; None when it can."""
    try:
        importlib.import_module(module)
    except BaseException as error:  # a damaged package raises anything
        return "{}: {}".format(type(error).__name__, str(error).strip().splitlines()[0] if str(error).strip() else "")
    return None


def machine_facts():
    """The facts for the warnings: system, architecture, length of paths, disk space."""
    packages = sysconfig.get_paths()["purelib"]
    facts = {
        "python": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "prefix_length": len(sys.prefix),
        "packages_writable": os.access(packages, os.W_OK),
        "free_disk_bytes": None,
        "translated": False,
    }
    try:
        facts["free_disk_bytes"] = shutil.disk_usage(packages if os.path.isdir(packages) else sys.prefix).free
    except OSError:
        pass  # unknown: no warning
    if facts["system"] == "Darwin":
        try:
            told = subprocess.check_output(["sysctl", "-n", "sysctl.proc_translated"], stderr=subprocess.DEVNULL)
            facts["translated"] = told.strip() == b"1"
        except (OSError, subprocess.CalledProcessError):
            pass  # older systems have no translation
    return facts


def devices():
    """Every device that torch can use here, the fastest first."""
    import torch

    from Xray2MRILib.device import describe_device, free_memory_bytes

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [
        {"kind": kind, "name": describe_device(kind), "free_memory_bytes": free_memory_bytes(kind)}
        for kind in present
        if present[kind]
    ]


def examine(requirements_file):
    """All facts as one dictionary of plain values."""
    facts = machine_facts()
    facts["packages"] = {}
    for name in names_of(requirements_file):
        version = installed_version(name)
        module = _MODULES.get(name.lower(), name.replace("-", "_"))
        fault = fault_of_import(module) if version is not None else None
        facts["packages"][name] = {"version": version, "fault": fault}
    facts["library_fault"] = fault_of_import("Xray2MRILib")
    facts["library_version"] = getattr(sys.modules.get("Xray2MRILib"), "__version__", None)
    facts["devices"] = []
    facts["device_fault"] = None
    torch = facts["packages"].get("torch", {})
    if torch.get("version") and torch.get("fault") is None and facts["library_fault"] is None:
        try:
            facts["devices"] = devices()
        except Exception as error:
            facts["device_fault"] = f"{type(error).__name__}: {error}"
        facts["cuda"] = getattr(getattr(sys.modules["torch"], "version", None), "cuda", None)
    return facts


def _end_with_caller():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main():
    # only the report uses the real stdout, whatever the packages print while they load
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    report.write(json.dumps(examine(sys.argv[1])) + "\n")
    report.flush()
    # torch's own threads may take seconds to wind down
    os._exit(0)


if __name__ == "__main__":
    main()
