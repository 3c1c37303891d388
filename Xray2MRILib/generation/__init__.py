"""From a radiograph file to a volume file: settings, preparation, networks, volume.

``generate`` and ``densify`` do everything from file to file; they are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .volume_from_radiograph import densify, generate

__all__ = ["densify", "generate"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import volume_from_radiograph

        return getattr(volume_from_radiograph, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
