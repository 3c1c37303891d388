"""Checks before a generation: disk space, memory, output paths; and an estimate of its duration."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from ..device import free_memory_bytes
from ..diffusion.memory_need import bytes_of_slice, bytes_of_weights
from ..errors import InputError, ProcessingError
from ..model_store.model_location import check_model, locate_model
from ..model_store.model_size import count_parameters, first_channels
from ..volume.geometry import OAI_FIELD
from ..volume.writing import check_destination
from .model_steps import steps_of_model
from .settings import GenerationSettings

# libraries, detector and classifier, without the generating model and the volumes; measured and rounded up
_LIBRARY_BYTES = 600_000_000
_DECODER_BYTES = 268_435_456  # decoding keeps to it, see models.autoencoder.decoding_chunk


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


def model_bytes(model: str, precision: str, *, one_slice: bool = True) -> int:
    """Memory for a model's weights by the files on disk and, with ``one_slice``, for denoising and decoding a slice."""
    folder = locate_model(model)
    weights = bytes_of_weights(count_parameters(folder), precision)
    if not one_slice:
        return weights
    return weights + _DECODER_BYTES + bytes_of_slice(first_channels(folder))


def check_device_memory(model: str, device: str, precision: str) -> None:
    """Raise ProcessingError (code ``out-of-memory``) when a model does not fit into the free memory of a GPU."""
    from ..device import choose_device
    from ..diffusion.precision import choose_precision

    device = choose_device(device)
    if not device.startswith("cuda"):
        return  # other GPUs share the memory that check_memory has looked at
    free, needed = free_memory_bytes(device), model_bytes(model, choose_precision(precision, device))
    if free is not None and free < needed:
        raise ProcessingError(
            f"The model needs about {needed / 1e9:.1f} GB of the GPU's memory, but only {free / 1e9:.1f} GB are free.",
            code="out-of-memory",
            hint="Close other programs, choose the device cpu or a smaller model.",
        )


def check_memory(settings: GenerationSettings) -> None:
    """Raise ProcessingError (code ``out-of-memory``) when model and volumes do not fit into the free memory."""
    free = free_memory_bytes("cpu")
    # the volume, its clipped copy and its stored integers; several samples add mean, squares and one more volume
    copies = (3 if settings.samples == 1 else 7) + (settings.scanner_noise > 0)
    model = model_bytes(settings.model, settings.precision if settings.precision != "auto" else "fp32")
    needed = _LIBRARY_BYTES + model + settings.num_slices * OAI_FIELD.pixels**2 * 4 * copies
    if free is not None and free < needed:
        raise ProcessingError(
            f"{settings.num_slices} slices of this model need about {needed / 1e9:.1f} GB of memory, but only "
            f"{free / 1e9:.1f} GB are free.",
            code="out-of-memory",
            hint="Close other programs, or choose fewer slices or a smaller model.",
        )


def expected_seconds(settings: GenerationSettings, loaded: bool, with_montage: bool = False) -> dict[str, float]:
    """Rough duration in s of each stage on two CPU cores, in order; the measured pace corrects them later.

    ``loaded`` means that the model is in memory already.
    """
    per_slice_written = 0.04 if settings.scanner_noise else 0.02
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
