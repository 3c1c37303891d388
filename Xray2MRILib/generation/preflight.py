"""Checks before a generation: disk space, memory, output paths; and an estimate of its duration."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ..device import free_memory_bytes
from ..errors import InputError, ProcessingError
from ..model_store.model_location import check_model
from ..volume.geometry import OAI_FIELD
from ..volume.writing import check_destination
from .model_steps import steps_of_model
from .settings import GenerationSettings

# libraries, weights and working memory without the volumes; measured with the shipped model and rounded up
_BASE_BYTES = 700_000_000


def check_destinations(radiograph: Any, output: Path, montage: Path | None, settings: GenerationSettings) -> None:
    """Refuse outputs that cannot be written or would overwrite the radiograph, and a model that cannot be loaded.

    Raises InputError, and ProcessingError (codes ``disk-full``, ``model-not-fetched``).
    """
    check_model(settings.model)
    files = check_destination(output, settings.num_slices, settings.samples > 1, settings.scanner_noise > 0)
    targets = [files.volume, files.record, files.deviation, files.noise_free]
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
    """Raise ProcessingError (code ``out-of-memory``) when the volumes do not fit into the free memory."""
    free = free_memory_bytes("cpu")
    # the volume, its clipped copy and its stored integers; several samples add mean, squares and one more volume
    copies = (3 if settings.samples == 1 else 7) + (settings.scanner_noise > 0)
    needed = _BASE_BYTES + settings.num_slices * OAI_FIELD.pixels**2 * 4 * copies
    if free is not None and free < needed:
        raise ProcessingError(
            f"{settings.num_slices} slices need about {needed / 1e9:.1f} GB of memory, but only "
            f"{free / 1e9:.1f} GB are free.",
            code="out-of-memory",
            hint="Close other programs or choose fewer slices.",
        )


def expected_seconds(settings: GenerationSettings, loaded: bool, with_montage: bool = False) -> dict[str, float]:
    """Rough duration in s of each stage on two CPU cores, in order; the measured pace corrects them later.

    ``loaded`` means that the model is in memory already.
    """
    per_slice_written = 0.08 if settings.scanner_noise else 0.02
    steps = settings.sampling.num_inference_steps or steps_of_model(settings.model)
    return {
        "read": 0.3,
        "localise": 0.5,
        "prepare": 0.3,
        "load model": 0.1 if loaded else 2.0,
        # half of the steps are guided, so the network runs twice; several samples come on top of the volume itself
        "volume": (settings.samples + (settings.samples > 1)) * settings.num_slices * (0.03 * steps + 0.06),
        "write": 0.5 + per_slice_written * settings.num_slices + (4.0 if with_montage else 0.0),
    }
