"""Pairs drawn in a moment, and recipes of a few steps on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from Xray2MRILib.cli.train import chosen_recipe
from Xray2MRILib.simulation.knee_pair import KneePair
from Xray2MRILib.simulation.knee_parameters import draw


def drawn_pair(seed: int) -> KneePair:
    """A pair whose film shows a bright bar where the volume has a dark one: quick to make, possible to learn."""
    rng = np.random.default_rng(seed)
    row, width = int(rng.integers(110, 150)), int(rng.integers(40, 90))
    volume = np.full((50, 256, 256), 0.5, np.float32)
    volume[:, row : row + 12, 128 - width : 128 + width] = 0.05
    volume *= np.linspace(1.0, 0.6, 50, dtype=np.float32)[:, None, None]
    bone = np.zeros((288, 288), np.float32)
    bone[row : row + 20, 144 - width : 144 + width] = 2.0
    bone += rng.random(bone.shape, np.float32) * 0.05
    soft = np.ones((288, 288), np.float32) + np.linspace(0, 1, 288, dtype=np.float32)
    return KneePair(draw(seed, seed % 5, ("t",), {"t": 72.0}), volume, bone, soft, {"medial": 4.0, "lateral": 5.0})


def autoencoder_recipe(pairs: Path, **changes: object) -> dict:
    """Six steps, saved after the third and the sixth."""
    small = {"data": str(pairs), "held_out": str(pairs), "preset": "tiny", "knees": 2, "held_out_knees": 1, "steps": 6,
             "batch_size": 4, "patch": 64, "warm_up_steps": 1, "precision": "float32", "device": "cpu", "threads": 1,
             "log_every": 2, "save_every": 3}  # fmt: skip
    return chosen_recipe("autoencoder") | small | changes


def diffusion_recipe(pairs: Path, autoencoder: Path, **changes: object) -> dict:
    """Six steps, saved after the third and the sixth."""
    small = {"data": str(pairs), "held_out": str(pairs), "autoencoder": str(autoencoder), "preset": "tiny",
             "knees_per_batch": 2, "depths_per_knee": 2, "exposures": 2, "steps": 6, "warm_up_steps": 1,
             "precision": "float32", "device": "cpu", "threads": 1, "log_every": 2, "save_every": 3}  # fmt: skip
    return chosen_recipe("diffusion") | small | changes


def options(recipe: dict) -> list[str]:
    """A recipe's simple entries as ``--set`` options of the command."""
    import json

    given = {name: value for name, value in recipe.items() if not isinstance(value, dict)}
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    return [word for name, value in words.items() for word in ("--set", f"{name}={value}")]
