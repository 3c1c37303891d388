"""Radiographs from which the grade of osteoarthritis cannot be read, so that a network learns to ask p for it.

A simulated radiograph shows its grade, and a network that always sees it there has no use for grade probabilities. On
some radiographs of a training the joint is therefore blurred, drowned in noise, covered by metal, or cut off; bones
stay where they are.
"""

from __future__ import annotations

import numpy as np

from ...volume.geometry import CROP_FRAME, OAI_FIELD

KINDS = ("blurred", "noisy", "covered", "cut off")
INVERTED_SHARE = 0.3  # of these radiographs have dark bone
# of the crop's height, where the joint line lies
JOINT = 0.5 + (OAI_FIELD.joint_row - CROP_FRAME.centre[0]) * OAI_FIELD.pixel_mm / CROP_FRAME.span_mm


def hide_grade(crop: np.ndarray, rng: np.random.Generator, kind: str | None = None) -> np.ndarray:
    """The crop [H, W] float32 with its joint unreadable, in one of KINDS (None: at random).

    The joint lies where it lies in a crop of the nominal frame. Values stay within those of the crop.
    """
    from scipy import ndimage

    kind = KINDS[int(rng.integers(len(KINDS)))] if kind is None else kind
    low, high = (float(v) for v in np.percentile(crop, (0.5, 99.5)))
    size, joint = crop.shape[0], round(JOINT * crop.shape[0])
    hidden = crop
    if kind == "blurred":
        hidden = ndimage.gaussian_filter(crop, size * rng.uniform(0.018, 0.035))
        hidden = hidden + rng.normal(0, 0.02 * (high - low), crop.shape)
    elif kind == "noisy":
        grain = ndimage.gaussian_filter(rng.standard_normal(crop.shape), rng.uniform(0.6, 1.6))
        smooth = ndimage.gaussian_filter(crop, size * rng.uniform(0.010, 0.016))
        hidden = smooth + grain / grain.std() * (high - low) * rng.uniform(0.12, 0.22)
    elif kind == "covered":
        hidden = crop.copy()
        above, below = (round(size * share) for share in rng.uniform(0.10, 0.16, 2))
        bright = rng.random() < 0.7  # metal; else the shadow of a strap
        hidden[max(joint - above, 0) : joint + below] = high if bright else low
    elif kind == "cut off":
        hidden = crop.copy()
        reach = round(size * rng.uniform(0.10, 0.16))
        if rng.random() < 0.5:
            hidden[joint - reach :] = crop[joint - reach]
        else:
            hidden[: joint + reach] = crop[joint + reach]
    else:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if rng.random() < INVERTED_SHARE:
        hidden = low + high - hidden
    return np.clip(hidden, low, high).astype(np.float32)
