"""Which device does the work and how much memory it has free."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from .errors import InputError

# each of them decides how OpenMP's threads wait; GNU's, Intel's and LLVM's library know the first one
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user set how they wait.

    They spin otherwise, some milliseconds after every operation: on a machine with other work twice the processor time
    of a run. The libraries read their environment once, so this must be called before torch is loaded.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def begin_worker() -> None:
    """For a process of a pool: use one thread, and exit when the parent is killed; it would wait for work forever."""
    from multiprocessing import parent_process
    from threading import Thread

    import torch

    torch.set_num_threads(1)
    parent = parent_process()
    assert parent is not None  # a pool started this process

    def exit_with_parent() -> None:
        parent.join()
        os._exit(1)

    Thread(target=exit_with_parent, daemon=True).start()


def choose_device(word: str = "auto") -> str:
    """The device that PyTorch computes on, for the user's word: ``auto`` takes the first of cuda, mps and cpu.

    Other words are PyTorch's own, such as ``cpu`` or ``cuda:1``. Raises InputError (code ``no-such-device``) for a
    device that this machine, or its installation of PyTorch, lacks.
    """
    import torch

    if word == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        if torch.empty(0, device=word).device.type == "meta":  # holds shapes, not numbers
            raise NotImplementedError
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InputError(
            f"This machine has no device {word!r} that PyTorch {torch.__version__} can use.",
            code="no-such-device",
            hint="Choose auto or cpu.",
            field="device",
        ) from error
    return word


def describe_device(device: str) -> str:
    """The device in words, e.g. ``"NVIDIA H200"`` or ``"Intel Xeon (2 threads)"``."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = "1 thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    return f"{_processor_name()} ({threads})" if device == "cpu" else f"{_processor_name()} GPU"


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no such file outside Linux
    return platform.processor() or platform.machine() or "unknown processor"


def free_memory_bytes(device: str) -> int | None:
    """Bytes free for a new job on the device; None when the system does not tell."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if sys.platform == "win32":
        return _free_memory_windows()
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _container_limit())
    except OSError:
        pass  # macOS: the physical memory is the best bound that the standard library knows
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _container_limit() -> int:
    """Memory that a container's limit leaves; huge when there is no limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):
        return sys.maxsize


def _free_memory_windows() -> int | None:
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong), ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in (
                "total_physical", "available_physical", "total_page", "available_page", "total_virtual",
                "available_virtual", "available_extended",
            )),
        )  # fmt: skip

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    if sys.platform != "win32":  # no other system has ctypes.windll
        return None
    known = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.available_physical) if known else None
