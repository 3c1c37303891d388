"""A device that is none: tensors that say they lie elsewhere, are computed on the processor, and refuse to mix with it.

What runs through here runs on a GPU: an operation on tensors of both devices raises, as there; what leaves the device
is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("cuda:0")  # its name only: nothing here needs a GPU or uses one
_CROSSING = ("aten.copy_.default", "aten._to_copy.default")


class Elsewhere(torch.Tensor):
    """A tensor of ``DEVICE``; ``held`` has its values."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"Elsewhere({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {}, None)


def _computed(func: Any, args: Any, kwargs: dict, left: dict[str, int] | None) -> Any:
    seen = {"here": False, "elsewhere": False}

    def opened(value: Any) -> Any:
        if isinstance(value, Elsewhere):
            seen["elsewhere"] = True
            return value.held
        if isinstance(value, torch.Tensor) and value.ndim:
            seen["here"] = True
        return value

    inner = tree_map(opened, args)
    more = tree_map(opened, kwargs)
    wanted = more.get("device")
    if wanted is not None and torch.device(wanted).type == DEVICE.type:
        more["device"] = torch.device("cpu")
        elsewhere = True
    else:
        elsewhere = seen["elsewhere"] and wanted is None
    if seen["here"] and seen["elsewhere"] and str(func) not in _CROSSING:
        raise RuntimeError(f"{func} mixes tensors of two devices")
    if left is not None and seen["elsewhere"] and wanted is not None and not elsewhere:
        left["copies"] += 1
    if left is not None and seen["elsewhere"] and str(func) == "aten._local_scalar_dense.default":
        left["numbers"] += 1
    result = func(*inner, **more)
    if str(func) == "aten.copy_.default" or func.__name__.split(".")[0].endswith("_"):
        return args[0]  # in place: the same tensor comes back
    if "out" in kwargs:
        return kwargs["out"]
    return tree_map(lambda v: Elsewhere(v) if isinstance(v, torch.Tensor) and elsewhere else v, result)


class _Mode(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.left = {"copies": 0, "numbers": 0}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {}, self.left)


@contextmanager
def other_device() -> Iterator[dict[str, int]]:
    """While it lasts, ``DEVICE`` can be used.

    Yields counts of what left it: ``copies`` of tensors to the processor and single ``numbers`` that were read.
    """
    mode = _Mode()
    before, prepare = torch._C._only_lift_cpu_tensors(), torch.cuda._lazy_init
    torch._C._ensureCUDADeviceGuardSet()  # lets tensors say that they lie there although nothing is there
    torch._C._set_only_lift_cpu_tensors(True)
    torch.cuda._lazy_init = lambda: None
    try:
        with torch.backends.cudnn.flags(enabled=False), mode:
            yield mode.left
    finally:
        torch._C._set_only_lift_cpu_tensors(before)
        torch.cuda._lazy_init = prepare
