"""Volumes for the tests of export: asymmetric, so that a flip or an exchange of axes shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from Xray2MRILib.volume.pseudo_mri import PseudoMRI


def asymmetric_volume(slices: int = 7, *, side: str = "left", deviation: bool = False, **provenance) -> PseudoMRI:
    """A volume of 32 x 48 pixels with a bright corner and a ramp along every axis."""
    z, y, x = np.meshgrid(np.linspace(0, 1, slices), np.linspace(0, 1, 32), np.linspace(0, 1, 48), indexing="ij")
    array = (0.5 * z + 0.3 * y + 0.15 * x).astype(np.float32)
    array[0, :5, :9] = 1.0
    array[-1, -4:, -3:] = 0.0
    record = {
        "model": {"name": "tiny", "weights_sha256": "ab" * 32},
        "sampling": {"seed": 3, "steps": 5, "sampler": "ddim", "num_slices": slices, "guidance_scale": 1.0},
        "radiograph": {"side": side, "side_source": "header"},
        "koa": {"values": [0.001, 0.099, 0.3, 0.5, 0.1], "source": "classifier"},
        "created_utc": "2026-01-02T03:04:05Z",
        **provenance,
    }
    return PseudoMRI(array, record, mirrored=side == "left", deviation=0.1 * array if deviation else None)


def record_of(radiograph: Path, side: str = "left") -> dict[str, Any]:
    """The section ``radiograph`` of a volume that was made from a radiograph, knee found by the detector.

    The digest is computed here by its definition (SHA-256 of the crop as little-endian float32).
    """
    import hashlib

    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.radiograph.reading import read_radiograph

    prepared = prepare_knee(read_radiograph(radiograph), GenerationSettings(side=side)).prepared
    pixels = np.clip(prepared.image, -1, 1).astype("<f4")
    return {**prepared.record, "crop_sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def volume_from(radiograph: Path, slices: int = 2, side: str = "left") -> PseudoMRI:
    """An asymmetric volume that records a radiograph as its own."""
    return asymmetric_volume(slices, side=side, radiograph=record_of(radiograph, side))
