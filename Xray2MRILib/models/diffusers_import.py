"""Import of the parts of diffusers that generation uses, without those that it does not.

``from diffusers import AutoencoderKL`` also loads every transformer of the library, its hooks for many machines,
torch's compiler and scipy's statistics: some two thousand modules that no volume needs, most of the time until the
first slice. While the parts are imported here,

- packages of which only single modules are wanted are entered without running their ``__init__``;
- torch's compiler and scipy's statistics are stood in for. diffusers asks the compiler for two decorators, which
  mark functions for ``torch.compile`` and otherwise return them as they are.

Afterwards nothing is left of this: every stand-in is taken out of ``sys.modules``, and whoever imports one of these
packages later gets the real one, with the same classes. If diffusers should change so that this fails, the parts are
imported the ordinary way.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# packages of which single modules are wanted
_ENTERED = ("diffusers.hooks", "diffusers.models.transformers", "diffusers.models.autoencoders",
            "diffusers.models.unets")  # fmt: skip
_PARTS = (
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.schedulers.scheduling_ddim",
    "diffusers.schedulers.scheduling_dpmsolver_multistep",
    "diffusers.pipelines.pipeline_utils",
)


def import_parts() -> None:
    """Load the parts of diffusers that generation uses; nothing happens when diffusers is loaded already."""
    if "diffusers" in sys.modules:
        return
    before = set(sys.modules)
    try:
        with _stand_ins():
            for part in _PARTS:
                importlib.import_module(part)
    except Exception:  # whatever another version of diffusers does
        for name in set(sys.modules) - before:
            if name.split(".")[0] == "diffusers":
                del sys.modules[name]


@contextmanager
def _stand_ins() -> Iterator[None]:
    """The stand-ins, for as long as the parts are imported."""
    placed = {}
    if "torch._dynamo" not in sys.modules:
        placed["torch._dynamo"] = _module("torch._dynamo", allow_in_graph=_unmarked, disable=_unmarked)
    if "scipy.stats" not in sys.modules and importlib.util.find_spec("scipy") is not None:
        placed["scipy.stats"] = ModuleType("scipy.stats")
    sys.modules.update(placed)
    try:
        for name in _ENTERED:
            # finding a package imports the packages around it
            spec = importlib.util.find_spec(name)
            if spec is not None and name not in sys.modules and spec.submodule_search_locations:
                placed[name] = _module(name, __path__=list(spec.submodule_search_locations), __spec__=spec)
                sys.modules[name] = placed[name]
        yield
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
            parent, _, own = name.rpartition(".")
            if parent in sys.modules and vars(sys.modules[parent]).get(own) is module:
                delattr(sys.modules[parent], own)


def _module(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


def _unmarked(function: Any = None, *_: Any, **__: Any) -> Any:
    """A decorator, with or without arguments, that changes nothing."""
    return function if function is not None else (lambda given: given)
