"""Composite radiographs with known knee boxes: training data of the detector where annotated radiographs are absent.

A joint crop (one OAI picture is exactly one box) is set into a synthetic leg at a known place, scale and tilt. Its edge
rows continue as tapering shafts above and below; soft tissue and a skin outline surround it. A radiograph shows one
knee, two knees, a crop or no knee, in many shapes, with collimation, markers, exposure and noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...localization.detector import normalise_radiograph
from .knee_free_radiographs import distract_radiograph
from .radiograph_finish import finish_radiograph, place_on_canvas


@dataclass(frozen=True)
class KneePlacement:
    """Place of a joint crop on the radiograph: box centre and side in radiograph pixels, tilt in degrees, mirrored or
    not.

    ``squeeze`` is the crop's height on the radiograph over its width; it differs from 1 in collections whose
    radiographs were resized to one picture size. The side is the width, as the plateau's width defines the box.
    """

    centre_x: float
    centre_y: float
    side: float
    tilt: float = 0.0
    mirrored: bool = False
    squeeze: float = 1.0

    def crop_coordinates(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Crop coordinates (u across, v down) of every radiograph pixel centre; the crop is the unit square."""
        angle = np.deg2rad(self.tilt)
        x = (np.arange(shape[1], dtype=np.float32) + 0.5 - self.centre_x)[None, :] / self.side
        y = (np.arange(shape[0], dtype=np.float32) + 0.5 - self.centre_y)[:, None] / (self.side * self.squeeze)
        u = np.cos(angle) * x + np.sin(angle) * y
        v = np.cos(angle) * y - np.sin(angle) * x
        return (0.5 - u if self.mirrored else 0.5 + u), 0.5 + v

    def box(self) -> tuple[float, float, float]:
        """Centre x, centre y and side in radiograph pixels: the training target."""
        return self.centre_x, self.centre_y, self.side


@dataclass(frozen=True)
class LegShape:
    """Outline of a synthetic leg in box sides: skin distances from the axis, and how far each shaft tapers (1: not)."""

    skin_left: float
    skin_right: float
    waist: float
    femur_taper: float
    tibia_taper: float
    taper_length: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> LegShape:
        """A leg between lean and heavy."""
        girth = rng.uniform(0.56, 0.95)
        return cls(
            girth * rng.uniform(0.9, 1.1),
            girth * rng.uniform(0.9, 1.1),
            rng.uniform(-0.15, 0.3),
            rng.uniform(1.2, 2.2),
            rng.uniform(1.2, 2.2),
            rng.uniform(0.3, 0.9),
        )


def render_leg(
    crop: np.ndarray, placement: KneePlacement, leg: LegShape, shape: tuple[int, int], only_shaft: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """One leg on an empty radiograph.

    ``crop`` [h, w] in [0, 1]. Returns the leg's values [H, W] in [0, 1] and its opacity [H, W] (1 inside the skin).
    With ``only_shaft`` the joint is replaced by the crop's top row, a thigh without a knee.
    """
    height, width = crop.shape
    u, v = placement.crop_coordinates(shape)
    above, below = np.maximum(-v, 0.0), np.maximum(v - 1.0, 0.0)
    # beyond the crop the bone narrows towards the shaft: reading further out as |u - 0.5| grows compresses it
    taper = 1.0 + (leg.femur_taper - 1.0) * (1 - np.exp(-above / leg.taper_length))
    taper += (leg.tibia_taper - 1.0) * (1 - np.exp(-below / leg.taper_length))
    across = 0.5 + (u - 0.5) * taper
    row = np.zeros_like(v) if only_shaft else np.clip(v, 0.0, 1.0)

    padded = crop.copy()
    band = max(1, height // 30)
    padded[0], padded[-1] = crop[:band].mean(axis=0), crop[-band:].mean(axis=0)
    values = ndimage.map_coordinates(padded, [row * height - 0.5, across * width - 0.5], order=1, mode="nearest")

    # soft tissue continues sideways at the darkest level near each edge of the crop, smooth along the leg
    edge = max(1, width // 40)
    rows = np.clip(row * height - 0.5, 0, height - 1)
    tissue = np.empty_like(values)
    for columns, part in ((crop[:, :edge], across < 0.5), (crop[:, -edge:], across >= 0.5)):
        level = ndimage.gaussian_filter1d(columns.min(axis=1), height / 20, mode="nearest")
        tissue[part] = np.interp(rows[part], np.arange(height), level)
    inside = np.clip((0.5 - np.abs(across - 0.5)) / 0.05, 0.0, 1.0)  # feather over 5 % of the crop
    values = inside * values + (1 - inside) * tissue

    bulge = 1.0 + leg.waist * (1 - np.exp(-((v - 0.5) ** 2) / 1.0)) * np.where(v < 0.5, 1.0, 0.6)
    skin = np.where(u < 0.5, leg.skin_left, leg.skin_right) * bulge
    distance = np.abs(u - 0.5) / skin
    opacity = np.clip((1.0 - distance) * skin * placement.side / 2.0, 0.0, 1.0)
    # thickness of a rounded leg falls to nothing at the skin; the crop itself already carries its own fall-off
    thickness = np.sqrt(np.clip(1.0 - np.clip((np.abs(u - 0.5) - 0.5) / np.maximum(skin - 0.5, 1e-3), 0, 1) ** 2, 0, 1))
    return (values * (0.25 + 0.75 * thickness)).astype(np.float32), opacity.astype(np.float32)


def composite_radiograph(
    crops: np.ndarray, sides: np.ndarray, rng: np.random.Generator, canvas_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """One random training radiograph.

    Parameters
    ----------
    crops
        [N, h, w] uint8, each exactly one joint box.
    sides
        [N] of "L" or "R".
    canvas_size
        Side of the square canvas that the radiograph is letterboxed into, pixels.

    Returns
    -------
    canvas [canvas_size, canvas_size] in [0, 1], and boxes [K, 3], K from 0 to 2: centre x, centre y, side in canvas
    pixels.
    """
    layout = rng.choice(["single", "bilateral", "crop", "none"], p=[0.38, 0.34, 0.14, 0.14])
    aspect, placements = _LAYOUTS[layout](rng)
    scale = canvas_size / max(aspect, 1.0)
    shape = (max(16, round(scale)), max(16, round(scale * aspect)))
    radiograph = np.full(shape, rng.uniform(0, 0.12), np.float32)
    radiograph += rng.uniform(0, 0.1) * np.linspace(0, 1, shape[1], dtype=np.float32)[None, :]

    squeeze = float(np.exp(rng.uniform(-0.5, 0.2))) if rng.random() < 0.6 else 1.0
    legs, boxes, heavier = LegShape.draw(rng), [], rng.uniform(0.8, 1.0)
    for index, (x, y, side, tilt) in enumerate(placements):
        wanted = "R" if x < aspect / 2 else "L"
        knee = rng.integers(len(crops))
        mirrored = bool(sides[knee] != wanted) if layout == "bilateral" else bool(rng.random() < 0.5)
        crop = _expose(crops[knee], rng)
        placement = KneePlacement(x * scale, y * scale, side * scale, tilt, mirrored, squeeze)
        leg = legs if layout == "bilateral" and index == 0 else LegShape.draw(rng)
        values, opacity = render_leg(crop, placement, leg, shape, only_shaft=layout == "none")
        radiograph = np.maximum(radiograph, opacity * values * (heavier if index else 1.0))
        if layout != "none":
            boxes.append(placement.box())
    if layout == "none":
        radiograph = distract_radiograph(radiograph, crops, rng)
    radiograph = finish_radiograph(radiograph, rng, markers=layout != "crop", collimate=layout != "crop")
    canvas, left, top = place_on_canvas(radiograph, canvas_size)
    return canvas, np.array([(x + left, y + top, side) for x, y, side in boxes], np.float32).reshape(-1, 3)


def _single_layout(rng: np.random.Generator) -> tuple[float, list]:
    aspect = float(np.exp(rng.uniform(np.log(0.4), np.log(2.4))))
    # a joint takes from a quarter of a long radiograph to more than the height of a strip
    largest = min(1.15 * aspect, 1.8)
    side = rng.uniform(min(0.28, 0.6 * largest), largest)
    margin = min(0.42 * side, 0.49 * aspect)
    x = rng.uniform(margin, aspect - margin)
    low = min(0.3, 0.25 * side)
    return aspect, [(x, rng.uniform(low, 1 - low), side, rng.normal(0, 6))]


def _bilateral_layout(rng: np.random.Generator) -> tuple[float, list]:
    aspect = float(np.exp(rng.uniform(np.log(0.8), np.log(4.2))))
    side = rng.uniform(0.18, 0.44) * aspect
    gap = rng.uniform(max(0.4 * aspect, 0.95 * side), max(0.72 * aspect, 1.05 * side))
    middle = aspect / 2 + rng.normal(0, 0.03) * aspect
    low = min(0.3, 0.25 * side)
    y, tilt = rng.uniform(low, 1 - low), rng.normal(0, 5)
    knees = []
    for sign in (-1, 1):
        centre_y = float(np.clip(y + rng.normal(0, 0.05) * side, 0.1, 0.9))
        own_side, own_tilt = side * rng.uniform(0.94, 1.06), sign * tilt + rng.normal(0, 2)
        knees.append((middle + sign * gap / 2, centre_y, own_side, own_tilt))
    return aspect, [knee for knee in knees if 0.05 * aspect < knee[0] < 0.95 * aspect]


def _crop_layout(rng: np.random.Generator) -> tuple[float, list]:
    aspect = rng.uniform(0.85, 1.18)
    side = np.sqrt(aspect) * rng.uniform(0.8, 1.2)
    x, y = aspect / 2 + rng.normal(0, 0.05), 0.5 + rng.normal(0, 0.05)
    return aspect, [(x, y, side, rng.normal(0, 3))]


def _empty_layout(rng: np.random.Generator) -> tuple[float, list]:
    aspect = float(np.exp(rng.uniform(np.log(0.4), np.log(2.4))))
    legs = rng.integers(0, 3)
    shafts = [(rng.uniform(0.1, 0.9) * aspect, 0.5, rng.uniform(0.3, 0.8), rng.normal(0, 12)) for _ in range(legs)]
    return aspect, shafts


_LAYOUTS = {"single": _single_layout, "bilateral": _bilateral_layout, "crop": _crop_layout, "none": _empty_layout}


def _expose(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Crop [h, w] uint8 to [0, 1] with its own contrast, so that the two legs of a radiograph need not match."""
    picture = normalise_radiograph(crop.astype(np.float32))
    return (rng.uniform(0, 0.3) + rng.uniform(0.55, 0.7) * picture ** rng.uniform(0.6, 1.6)).astype(np.float32)
