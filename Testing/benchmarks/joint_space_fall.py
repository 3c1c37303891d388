"""By how much a joint space falls between two radiographs of one simulated knee, and how well one can measure that.

The deformation's own fall where each compartment is narrowest, and the outlines that an edge finder sees on both
radiographs. What the first instrument can tell: its reading under the true motion of the bones, and under a deformation
that registers the healthy radiograph to the true severe one and knows nothing else. What the outlines can tell: their
reading on the true severe radiograph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from Xray2MRILib.baselines.joint_motion import fall_of_gaps, joint_gaps
from Xray2MRILib.baselines.morphing import MorphingModel, frame, row_window
from Xray2MRILib.baselines.morphing_loss import blurred, local_correlation
from Xray2MRILib.baselines.velocity_field import exponential, roughness, warp
from Xray2MRILib.reprojection.knee_outline import KneeOutline
from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline
from Xray2MRILib.simulation.pairs.population import HELD_OUT_OFFSET
from Xray2MRILib.simulation.pairs.radiograph_pairs import read_radiograph_pair, simulate_radiograph_pairs
from Xray2MRILib.simulation.radiograph.joint_surfaces import SIDES

ROWS, FADE = (0.36, 0.76), 0.14  # as the morphing model's
NARROWEST = slice(3, 6)  # of the places along a compartment: 6 mm
_BLURS = (4.0, 2.0, 0.5)  # pixels of 128
_STEPS = 60  # at each blur
_SIZE = 128


def on_simulated_knees(model: MorphingModel, folder: Path, count: int) -> dict[str, Any]:
    """The joint space's fall in held-out simulated knees, with each pair's own code, against the truth."""
    rows, outlines = [], []
    for path in simulate_radiograph_pairs(folder, count, seed=HELD_OUT_OFFSET + 5000):
        pair = read_radiograph_pair(path)
        crops, surfaces, pixels_of_mm = pair.placed_crops()
        healthy, severe = (torch.from_numpy(crop)[None, None] for crop in crops)
        narrowest = torch.from_numpy(surfaces)[:, :, :, 0, NARROWEST]
        first, last = joint_gaps(narrowest).numpy()
        true = [pair.joint_space_mm[0][side] - pair.joint_space_mm[1][side] for side in SIDES]
        changes = model.changes_of(healthy, severe)
        found = [
            fall_of_gaps(velocity, narrowest[:1], len(crops[0]))[0].numpy() / pixels_of_mm
            for velocity in (changes[0], registering_velocity(healthy, severe))
        ]
        rows += zip(true, (first - last) / pixels_of_mm, *found, strict=True)
        with torch.no_grad():
            end = frame(healthy, *changes, 1.0).clamp(-1, 1)
        seen = [joint_space_mm(radiograph_outline(p[0, 0].numpy())) for p in (healthy, end, severe)]
        for side, fall in zip(SIDES, true, strict=True):
            if all(side in widths for widths in seen):
                outlines.append((fall, seen[0][side] - seen[1][side], seen[0][side] - seen[2][side]))
    true, moved, own, registered = np.array(rows).T
    return {
        "simulated_knees": count,
        "compartments": len(rows),
        "joint_space_r": _correlation(true, own),
        "joint_space_r_of_the_true_motion": _correlation(true, moved),
        "joint_space_r_of_a_registration": _correlation(true, registered),
        "joint_space_fall_mm": {
            "mean": round(float(own.mean()), 2),
            "true": round(float(true.mean()), 2),
            "error": round(float(np.sqrt(np.square(own - true).mean())), 2),
        },
        "by_outlines": {
            "compartments": len(outlines),
            "joint_space_r": _correlation(*np.array(outlines).T[:2]),
            "joint_space_r_of_the_true_radiograph": _correlation(*np.array(outlines).T[::2]),
        },
    }


def registering_velocity(healthy: Tensor, severe: Tensor) -> Tensor:
    """The velocity [1, 2, 128, 128] whose flow makes ``healthy`` [1, 1, H, W] most like ``severe``, from coarse to
    fine; no truth enters it."""
    one, other = (
        functional.interpolate(r, (_SIZE, _SIZE), mode="bilinear", align_corners=False, antialias=True)
        for r in (healthy, severe)
    )
    window = row_window(_SIZE, ROWS, FADE)
    nodes = torch.zeros(1, 2, _SIZE // 2, _SIZE // 2, requires_grad=True)
    optimiser = torch.optim.Adam([nodes], lr=0.15)
    for blur in _BLURS:
        first, second = blurred(one, blur), blurred(other, blur)
        for _ in range(_STEPS):
            velocity = window * functional.interpolate(nodes, (_SIZE, _SIZE), mode="bilinear", align_corners=False)
            moved = warp(first, exponential(velocity, squarings=6))
            alike = local_correlation((moved + 1) / 2, (second + 1) / 2, weight=window)
            apart = ((moved - second).abs() * window).mean()
            loss = -alike + 0.5 * apart + 0.5 * roughness(velocity)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return velocity.detach()


def joint_space_mm(outline: KneeOutline) -> dict[str, float]:
    """Smallest height in mm between femur and tibia in each compartment, of places that both outlines show."""
    widths = {}
    for side in SIDES:
        curves = [outline.curves.get(f"{bone} {side} joint") for bone in ("femur", "tibia")]
        if any(curve is None for curve in curves):
            continue
        femur, tibia = ({round(float(x), 2): float(z) for x, z in curve} for curve in curves if curve is not None)
        heights = [tibia[x] - femur[x] for x in femur.keys() & tibia.keys()]
        if len(heights) >= 8:
            widths[side] = float(np.percentile(heights, 10))
    return widths


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return round(float(np.corrcoef(one, other)[0, 1]), 3)
