"""Tubes, sheets and continued sections against bodies whose size is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError
from Xray2MRILib.simulation.anatomy.drawn_shapes import Canvas, Material, along, pushed_out, sheet, tube
from Xray2MRILib.simulation.anatomy.ligament_strands import load_strands, placed_strands
from Xray2MRILib.simulation.anatomy.section_flow import continued_sections
from Xray2MRILib.simulation.anatomy.structure_seeds import SEEDS, read_seeds
from Xray2MRILib.simulation.anatomy.template_regions import grid_shape
from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

SHAPE = grid_shape()


def volume_mm3(share: np.ndarray) -> float:
    return float(share.sum()) * SPACING_MM**3


@pytest.mark.parametrize("radius", [0.6, 1.2, 3.0])
def test_a_tube_has_the_volume_of_a_cylinder_with_round_ends(radius: float) -> None:
    line = along(np.array([(0.0, -15.0, 0.0), (6.0, 15.0, 4.0)]))
    length = float(np.linalg.norm((6, 30, 4)))
    expected = np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3
    assert volume_mm3(tube(line, radius, SHAPE).share) == pytest.approx(expected, rel=0.12)


def test_a_sheet_has_its_thickness() -> None:
    """30 x 20 mm, 2.4 mm thick, in the plane x = 1; the rim is round."""
    strands = [along(np.array([(y, -15.0, 1.0), (y, 15.0, 1.0)])) for y in (0.0, 7.0, 20.0)]
    filling = sheet(strands, 2.4, SHAPE)
    middle = filling.share[filling.share.shape[0] // 2, filling.share.shape[1] // 2]
    assert middle.sum() * SPACING_MM == pytest.approx(2.4, abs=0.15)
    rim = 2 * (30 + 20) * np.pi / 8 * 2.4**2
    assert volume_mm3(filling.share) == pytest.approx(30 * 20 * 2.4 + rim, rel=0.06)


def test_paint_mixes_by_the_filled_share_and_spares_the_rest() -> None:
    canvas = Canvas(
        np.full(SHAPE, CODE["fat"], np.uint8), *(np.full(SHAPE, v, np.float32) for v in (10.0, 170.0, 30.0)),
        np.zeros(SHAPE, np.uint8),
    )  # fmt: skip
    over = np.zeros(SHAPE, bool)
    over[: SHAPE[0] // 2] = True
    filling = tube(along(np.array([(-20.0, 0.0, 0.0), (20.0, 0.0, 0.0)])), 2.0, SHAPE)
    canvas.paint(filling, Material("ligament", 140.0, 6.0, 7.0), 3, over=over)
    changed = canvas.structure == 3
    assert changed.any()
    assert not (changed & ~over).any()
    assert (canvas.code[changed] == CODE["ligament"]).all()
    whole = filling.share == 1
    assert canvas.water[filling.box][whole & over[filling.box]] == pytest.approx(140.0)
    assert canvas.water[~over] == pytest.approx(10.0)


def test_a_strand_wraps_around_a_ball() -> None:
    """A straight line through a ball of 10 mm is pushed out to 12 mm from its centre, its far ends stay."""
    axes = np.meshgrid(*[lo + SPACING_MM * np.arange(n) for (lo, _), n in zip(EXTENT_MM.values(), SHAPE, strict=True)],
                       indexing="ij", sparse=True)  # fmt: skip
    distance = (np.sqrt(sum(a**2 for a in axes)) - 10).astype(np.float32)
    line = along(np.array([(3.0, -30.0, 1.0), (3.0, 30.0, 1.0)]))
    bent = pushed_out(line, distance, 2.0)
    assert np.linalg.norm(bent, axis=1).min() == pytest.approx(12.0, abs=0.15)
    assert bent[0] == pytest.approx(line[0])


def cone(rows: np.ndarray, radius_mm: float, slope: float, size: int = 96) -> np.ndarray:
    place = (np.arange(size) - (size - 1) / 2) * SPACING_MM
    away = np.hypot(place[:, None], place[None])
    return away[None] < (radius_mm + slope * rows * SPACING_MM)[:, None, None]


@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.2])
def test_a_cone_flows_on_as_a_cone(slope: float) -> None:
    """Radius within 0.6 mm of the cone's over 15 mm beyond the scan, and no section repeated where it narrows."""
    rows = np.arange(-40, 64)
    whole = cone(rows, 16.0, slope)
    seen = whole[:80]
    guide = (100.0 * seen).astype(np.float32)
    (further,) = continued_sections([seen.astype(np.uint8)], 24, guide, (SPACING_MM,) * 2, damping_mm=np.inf)
    for k in (2, 12, 23):
        radius, true = (np.sqrt(s.sum() * SPACING_MM**2 / np.pi) for s in (further[k], whole[80 + k]))
        assert radius == pytest.approx(true, abs=0.6)
    if slope:
        assert (int(further[-1].sum()) - int(further[-8].sum())) * slope > 0


def test_strands_scale_with_the_tibia() -> None:
    own, strands = load_strands()
    assert {len(s) for s in strands.values()} == {12, 10, 6, 5, 4, 8}
    twice = own.mean(axis=0) + (own - own.mean(axis=0)) * 2
    placed = placed_strands(twice)
    for name, ends in strands.items():
        length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
        assert np.linalg.norm(placed[name][:, 0] - placed[name][:, 1], axis=1) == pytest.approx(2 * length)
    moved = placed_strands(twice, (-8.0, -20.0))
    for name, ends in strands.items():
        # the model's origin, which lies on the axis, comes to the given axis
        assert moved[name][:, 0, :2] == pytest.approx(2 * ends[:, 0, :2] + (-8.0, -20.0), abs=1e-6)
        assert moved[name][:, 1] == pytest.approx(placed[name][:, 1])


def test_a_folder_without_seeds_has_none_and_bad_ones_are_refused(tmp_path: Path) -> None:
    assert read_seeds(tmp_path) is None
    for text in ("no json", "[]", json.dumps({"muscles": {"soleus": [[[1, 2]]]}, "lines": {}})):
        (tmp_path / SEEDS).write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="list of structures"):
            read_seeds(tmp_path)
