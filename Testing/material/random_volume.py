"""Volumes of random grey values with a whole record, and what their files hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from Xray2MRILib.volume.provenance import build_provenance
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

ENDINGS = (".nrrd", ".nii.gz", ".mha")


def make_volume(seed: int = 0, *, deviation: bool = False, mirrored: bool = False, slices: int = 12) -> PseudoMRI:
    rng = np.random.default_rng(seed)
    record = build_provenance(
        model={"name": "compact", "version": "1.0", "weights_sha256": "c0ffee" * 10 + "abcd"},
        sampling={"seed": 3, "steps": 20, "sampler": "ddim", "num_slices": slices},
        radiograph={
            "box": [10.0, 20.0, 300.0, 300.0],
            "side": "right",
            "side_source": "header",
            "box_source": "detector",
        },
        koa={"values": [0.1, 0.2, 0.4, 0.2, 0.1], "source": "classifier"},
        plausibility={"plausible": True, "score": 0.9, "reasons": []},
        identifiers={"input": "/clinic/Doe_Jane_1960.dcm"},
    )
    shape = (slices, 24, 32)
    spread = rng.random(shape, dtype=np.float32) / 2 if deviation else None
    return PseudoMRI(rng.random(shape, dtype=np.float32), record, mirrored, spread)


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def contents(folder: Path) -> dict[str, str]:
    return {item.name: hashlib.sha256(item.read_bytes()).hexdigest() for item in folder.iterdir()}


def nrrd_header(path: Path) -> dict[str, str]:
    """The text header of a NRRD file, read by hand."""
    lines = path.read_bytes().split(b"\n\n", 1)[0].decode("utf-8").splitlines()
    pairs = [line.split(":=", 1) if ":=" in line else line.split(": ", 1) for line in lines[1:] if line[0] != "#"]
    return {key: value for key, value in pairs}
