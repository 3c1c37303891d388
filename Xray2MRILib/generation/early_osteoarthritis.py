"""Early osteoarthritis on a radiograph: KL-2 against KL-0, and a map of the places that speak for it, for viewers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Cancelled, InputError, fields_of
from ..files.atomic_write import AtomicFiles, check_place
from .prepared_knee import describe_knee, prepare_knee, shown_rectangle
from .radiograph_check import describe_film
from .settings import GenerationSettings


def explain_early_osteoarthritis(
    radiograph: Path,
    output: Path,
    settings: GenerationSettings | None = None,
    *,
    network: Path | None = None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Write the map of a radiograph as ``output`` (.npy, float32 [H, W] in [0, 1], not mirrored); returns what it says.

    Of ``settings`` only side, roi, knee and photometric are used. ``network`` is a folder of ``xray2mri train
    siamese-gap``; None takes the shipped one.

    The result has ``probability`` (of KL-2 against KL-0), ``places`` (compartment -> share of the map), ``map``,
    ``rectangle`` (x, y, width, height in radiograph pixels that the map covers), ``film`` (as ``check_radiograph``
    describes it), ``side``, ``warnings`` and ``warning_fields``. Raises InputError, ProcessingError and Cancelled.
    """
    from ..baselines.class_activation import evidence_of
    from ..radiograph.reading import read_radiograph
    from ..volume.provenance import plain

    if output.suffix != ".npy":
        raise InputError(f"The map {output.name!r} is not a .npy file name.", code="bad-output", field="output")
    check_place(output, 1_000_000)
    settings = settings or GenerationSettings()
    opened = read_radiograph(radiograph, photometric=settings.photometric)
    knee = prepare_knee(opened, settings)
    if should_cancel():
        raise Cancelled("Cancelled before the radiograph was examined.")
    found = evidence_of(knee.prepared.image, network)
    shown = found.combined[:, ::-1] if knee.prepared.mirrored else found.combined
    with AtomicFiles() as files, files.stage(output).open("wb") as file:
        np.save(file, np.ascontiguousarray(shown, np.float32))
    return plain(
        {
            "probability": found.probability,
            "places": found.compartment_shares,
            "map": str(output),
            "rectangle": shown_rectangle(knee, opened),
            "film": describe_film(opened),
            "side": describe_knee(knee)["side"],
            "warnings": knee.warnings,
            "warning_fields": fields_of(knee.warnings),
        }
    )
