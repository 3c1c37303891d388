"""What can be known before the work starts: is there room on the disk, in memory, and at the places to be written?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ..device import free_memory_bytes
from ..errors import InputError, ProcessingError
from ..model_store.model_location import check_model
from ..volume.writing import check_destination
from .settings import GenerationSettings

# libraries, weights and working memory besides the volumes themselves, rounded up from the shipped model
_BASE_BYTES = 700_000_000


def check_destinations(radiograph: Any, output: Path, montage: Path | None, settings: GenerationSettings) -> None:
    """Refuse places that cannot be written, or that hold the radiograph itself, and a model that cannot be had.

    Raises InputError, and ProcessingError (codes ``disk-full``, ``model-not-fetched``).
    """
    check_model(settings.model)
    files = check_destination(output, settings.slices, deviation=settings.samples > 1)
    targets = [files.volume, files.record, files.deviation]
    if montage is not None:
        from ..rendering.montage import check_montage_destination

        check_montage_destination(montage)
        targets.append(montage)
    if not isinstance(radiograph, (str, Path)):
        return
    for target in targets:
        with contextlib.suppress(OSError):
            if target.exists() and target.samefile(radiograph):
                raise InputError(
                    f"The output {target.name} is the radiograph itself.",
                    code="bad-output",
                    hint="Choose another name.",
                )


def check_memory(settings: GenerationSettings) -> None:
    """Raise ProcessingError (code ``out-of-memory``) when the volumes would not fit into the free memory."""
    free = free_memory_bytes("cpu")
    # the volume, its clipped copy and its stored integers; mean, squares and one more sample
    copies = 3 if settings.samples == 1 else 7
    needed = _BASE_BYTES + settings.slices * 256 * 256 * 4 * copies
    if free is not None and free < needed:
        raise ProcessingError(
            f"{settings.slices} slices need about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free.",
            code="out-of-memory",
            hint="Close other programs or ask for fewer slices.",
        )
