"""Draws the icon of module and extension, and makes the sample radiographs and their thumbnails for Slicer.

    python docs/icons/draw_icons.py

The icon is one knee, at the left of the line as on a radiograph, at the right as on a T1-weighted MR slice. Slicer
reads no WebP, so that two of the radiographs in Resources/samples are stored as PNG as well, with the same pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "Xray2MRI" / "Resources"
# name of a radiograph -> whether its thumbnail may cut the sides off
SAMPLES = {"knee_single": True, "knee_both": False}
ICON_SIZE = 128
THUMBNAIL_SIZE = (300, 200)
_FINE = 1024  # drawn at this size and then averaged
_LINE = (255, 176, 32)

# outlines in hundredths of the picture, x to the right and y down
_FEMUR = ((35, -15), (36, 14), (30, 26), (18, 36), (16, 45), (22, 52), (33, 54), (43, 51), (47, 44), (53, 44), (57, 51),
          (67, 54), (78, 52), (84, 45), (82, 36), (70, 26), (64, 14), (65, -15))  # fmt: skip
_TIBIA = ((17, 61), (33, 60), (45, 60), (48, 56), (52, 56), (55, 60), (67, 60), (83, 61), (84, 69), (72, 80), (66, 92),
          (65, 115), (37, 115), (36, 92), (28, 80), (16, 69))  # fmt: skip
_LEG = ((8, -15), (5, 30), (4, 55), (7, 80), (12, 115), (88, 115), (93, 80), (96, 55), (95, 30), (92, -15))


def draw_icon() -> Image.Image:
    """The icon, RGBA with round corners."""
    bones = np.maximum(_shape(_FEMUR), _shape(_TIBIA)) > 0.5
    leg = _shape(_LEG) > 0.5
    depth = distance_transform_edt(bones) / _FINE
    grey = np.where(np.arange(_FINE) < _FINE / 2, _radiograph(bones, leg, depth), _mr_slice(bones, leg, depth))
    colour = np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=2)
    colour[:, : _FINE // 2] *= (0.80, 0.93, 1.0)  # the blue of radiograph
    picture = Image.fromarray(np.rint(colour * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    half = round(_FINE * 0.018)
    draw.rectangle((_FINE // 2 - half, 0, _FINE // 2 + half, _FINE), fill=_LINE)
    corners = Image.new("L", (_FINE, _FINE), 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, _FINE - 1, _FINE - 1), radius=_FINE // 6, fill=255)
    picture.putalpha(corners)
    return picture.resize((ICON_SIZE, ICON_SIZE), Image.Resampling.BOX)


def _shape(outline: tuple[tuple[int, int], ...]) -> np.ndarray:
    """[N, N] float in [0, 1], 1 inside of the outline with its corners rounded."""
    picture = Image.new("L", (_FINE, _FINE), 0)
    ImageDraw.Draw(picture).polygon([(x * _FINE / 100, y * _FINE / 100) for x, y in outline], fill=255)
    return gaussian_filter(np.asarray(picture, np.float32) / 255, _FINE * 0.026)


def _radiograph(bones: np.ndarray, leg: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Soft tissue dim, bone bright with a brighter rim where the rays run along the cortex."""
    rim = np.exp(-(((depth - 0.012) / 0.012) ** 2))
    return 0.04 + 0.16 * leg + np.where(bones, 0.42 + 0.36 * rim, 0.0)


def _mr_slice(bones: np.ndarray, leg: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Fat marrow bright inside a black cortex, cartilage grey around it, muscle dark grey."""
    outside = distance_transform_edt(~bones) / _FINE
    cortex = bones & (depth < 0.022)
    cartilage = ~bones & (outside < 0.028)
    tissue = np.where(leg, 0.30, 0.02)
    return np.where(cortex, 0.02, np.where(bones, 0.93, np.where(cartilage, 0.55, tissue)))


def thumbnail(radiograph: Image.Image, fill: bool) -> Image.Image:
    """The radiograph in the size of a button of the Sample Data module: cut to fill it, or whole on black."""
    choose = max if fill else min
    scale = choose(THUMBNAIL_SIZE[0] / radiograph.width, THUMBNAIL_SIZE[1] / radiograph.height)
    fitted = radiograph.resize(
        (round(radiograph.width * scale), round(radiograph.height * scale)), Image.Resampling.LANCZOS
    )
    picture = Image.new("L", THUMBNAIL_SIZE, 0)
    picture.paste(fitted, ((THUMBNAIL_SIZE[0] - fitted.width) // 2, (THUMBNAIL_SIZE[1] - fitted.height) // 2))
    return picture


def main() -> None:
    """Write all pictures."""
    for folder in (MODULE / "Icons", MODULE / "SampleData"):
        folder.mkdir(parents=True, exist_ok=True)
    icon = draw_icon()
    for path in (MODULE / "Icons" / "Xray2MRI.png", ROOT / "Xray2MRI.png"):
        icon.save(path, optimize=True)
    for name, fill in SAMPLES.items():
        radiograph = Image.open(ROOT / "Resources" / "samples" / f"{name}.webp").convert("L")
        radiograph.save(MODULE / "SampleData" / f"{name}.png", optimize=True)
        thumbnail(radiograph, fill).save(MODULE / "Icons" / f"SampleData_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
