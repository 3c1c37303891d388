"""A contact sheet of simulated pairs: radiographs as the network's input and slices of the MR volume, per KL grade.

The noise-free volumes go through the acquisition model, as a scanner would show them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...acquisition.acquisition_model import Acquisition, acquire
from ...acquisition.stored_range import clip_level
from ...errors import InputError
from ...files.atomic_write import AtomicFiles, check_place
from ...preparation.joint_crop import normalise_crop
from ...rendering.text import BACKGROUND, NOTICE, QUIET, TEXT, draw_text
from ...volume.geometry import depth_positions
from ..radiograph.appearance import exposed_crop
from .knee_pair import KneePair
from .pair_store import list_pairs, read_pair

DEPTHS = (6, 14, 20, 26, 32, 40)
RADIOGRAPHS = 2  # exposures shown of every knee
_TILE, _HEAD, _LABEL, _GAP = 176, 34, 22, 4


def write_preview(folder: Path, path: Path, knees_per_grade: int = 2) -> Path:
    """Write the contact sheet of the first knees of every grade in ``folder`` as PNG; returns its path.

    Raises InputError for another ending, a place that cannot be written, or a folder without pairs.
    """
    from PIL import Image, ImageDraw

    check_preview_path(path)
    chosen = _chosen(list_pairs(folder), knees_per_grade)
    columns = RADIOGRAPHS + len(DEPTHS)
    size = (columns * (_TILE + _GAP) + _GAP, _HEAD + len(chosen) * (_TILE + _LABEL + _GAP) + _GAP)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (8, 23), "SIMULATED pairs, not for diagnosis", 17, NOTICE)
    depths = "right-knee space; two exposures of one knee, then slices from posterior to anterior"
    draw_text(draw, (330, 23), depths, 14, QUIET, width=size[0] - 340)
    for row, pair in enumerate(chosen):
        top = _HEAD + row * (_TILE + _LABEL + _GAP)
        draw_text(draw, (8, top + 16), _caption(pair), 14, TEXT, width=size[0] - 16)
        for column, tile in enumerate(_tiles(pair)):
            picture = Image.fromarray((np.clip(tile, 0, 1) * 255).astype(np.uint8)).resize((_TILE, _TILE))
            sheet.paste(picture, (_GAP + column * (_TILE + _GAP), top + _LABEL))
    with AtomicFiles() as files:
        sheet.save(files.stage(path), optimize=True)
    return path


def check_preview_path(path: Path) -> None:
    """Refuse a preview that could not be written, before knees are made. Raises InputError."""
    if path.suffix.lower() != ".png":
        raise InputError(
            f"The preview {path.name} is not a PNG file.", code="bad-output", hint="Choose a name that ends in .png."
        )
    check_place(path)


def _chosen(paths: list[Path], per_grade: int) -> list[KneePair]:
    taken: dict[int, list[KneePair]] = {}
    for path in paths:
        grade = read_pair(path, volume=False, radiograph=False).parameters.kl_grade
        if len(taken.setdefault(grade, [])) < per_grade:
            taken[grade].append(read_pair(path))
        if len(taken) == 5 and all(len(pairs) == per_grade for pairs in taken.values()):
            break
    return [pair for grade in sorted(taken) for pair in taken[grade]]


def _tiles(pair: KneePair) -> list[np.ndarray]:
    rng = np.random.default_rng([pair.parameters.seed, 29])
    radiographs = [
        (normalise_crop(exposed_crop(pair.bone, pair.soft, pair.parameters, rng)) + 1) / 2 for _ in range(RADIOGRAPHS)
    ]
    chosen = [d for d in DEPTHS if d < len(pair.volume)]
    level = clip_level(torch.as_tensor(pair.volume))
    acquisition = Acquisition(seed=pair.parameters.seed, level=level)
    shown = acquire(pair.volume[chosen], acquisition, depth_positions(len(pair.volume))[chosen])
    return [*radiographs, *shown.numpy()]


def _caption(pair: KneePair) -> str:
    p = pair.parameters
    widths = ", ".join(f"{side} {width:.1f} mm" for side, width in pair.joint_space_mm.items())
    return f"KL {p.kl_grade}   joint space {widths}   seed {p.seed}, {p.template}"
