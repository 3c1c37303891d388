"""Drawn knees of image templates: nothing folds, shape scores move the bones, detail is restored without ringing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.shape_model import load_shape_model  # noqa: E402
from Xray2MRILib.simulation.anatomy.shape_variation import MODES, fitted_modes  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID  # noqa: E402
from Xray2MRILib.simulation.pairs import field_placement  # noqa: E402
from Xray2MRILib.simulation.pairs.image_knee import (  # noqa: E402
    MEDIAL_EXTRUSION_MM,
    deformed,
    draw_image_knee,
    sharpened,
)


@pytest.fixture(scope="module")
def source() -> SimpleNamespace:
    """The shape model's own mean bones as a template: voxels near their points, assembled with a gap of 5 mm."""
    model = load_shape_model()
    y, z, x = template_axes()
    tissue = np.zeros((len(y), len(z), len(x)), np.uint8)
    for bone, end in (("femur", -2.5), ("tibia", 2.5)):
        points = model.means_mm[bone] - model.means_mm[bone].mean(axis=0)
        points[:, 1] += end - (points[:, 1].max() if end < 0 else points[:, 1].min())
        index = np.round((points - [lo for lo, _ in EXTENT_MM.values()]) / SPACING_MM).astype(int)
        keep = np.all((index >= 0) & (index < tissue.shape), axis=1)
        tissue[tuple(index[keep].T)] = TISSUE_ID[bone]
    plane = np.zeros((len(y), len(x)), np.float32)
    anatomy = AnatomyTemplate(
        "means", tissue, np.zeros(tissue.shape, np.float16), np.zeros(tissue.shape, np.float16), plane - 2.5,
        plane + 2.5, (-38.0, 38.0), {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {},
    )  # fmt: skip
    template = SimpleNamespace(anatomy=anatomy, name="means")
    return SimpleNamespace(template=template, modes_mm=fitted_modes(anatomy, model), device="cpu")


def test_no_drawn_knee_folds(source: SimpleNamespace) -> None:
    """Jacobian of the map is positive everywhere for the drawn population, shape modes included."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(-39.0, 40.0, 3.0)] * 3, indexing="ij"), dim=-1)
    for seed in range(20):
        knee = draw_image_knee(seed, seed % 5, source.template)
        # points are no solid bones, so the distance from them says nothing about muscle
        knee = replace(knee, parameters=replace(knee.parameters, muscle_bulk=1.0))
        mapped = deformed(source, knee).shape(grid)
        columns = [mapped.diff(dim=axis) / 3 for axis in range(3)]
        size = min(min(c.shape[:3]) for c in columns)
        jacobian = torch.stack([c[:size, :size, :size] for c in columns], dim=-1)
        assert float(torch.linalg.det(jacobian).min()) > 0.2


def test_the_field_follows_the_joint(source: SimpleNamespace) -> None:
    """What random shape and pose move the joint by is taken out: it lies where the technologist's spread puts it."""
    places = []
    for seed in range(12):
        knee = draw_image_knee(seed, 0, source.template)
        deformation = deformed(source, replace(knee, shape_scores=(0.0,) * MODES))
        sides = [(y, 0.0, x) for y, x in source.template.anatomy.compartment_mm.values()]
        shown = np.mean([deformation.output_of(torch.tensor(side)).numpy() for side in sides], axis=0)
        forward = field_placement.FORWARD_MM + field_placement.BEHIND_MM * (1 - knee.parameters.scale[0])
        slices, height, aside = knee.parameters.field_offset_mm
        places.append(shown + np.array((forward - slices, height, aside - field_placement.ASIDE_MM)))
    assert np.abs(np.mean(places, axis=0)).max() < 2.5
    assert np.std(places, axis=0) == pytest.approx(np.array((2.5, 3.0, 4.0)) * field_placement.SPREAD, rel=0.6)


def test_modes_move_the_bones_by_millimetres_and_fade_away_from_them(source: SimpleNamespace) -> None:
    modes = source.modes_mm
    assert modes.shape[:2] == (MODES, 3)
    assert 0.3 < float(np.abs(modes).max()) < 4.0
    assert float(np.abs(modes[:, :, :, :, 0]).max()) < 0.25  # 92 mm aside


def test_a_knee_is_the_same_for_one_seed(source: SimpleNamespace) -> None:
    first, again = (draw_image_knee(11, 2, source.template) for _ in range(2))
    assert first == again
    assert first.shape_scores != draw_image_knee(12, 2, source.template).shape_scores


def test_menisci_that_stand_out_by_themselves_are_seated(source: SimpleNamespace) -> None:
    """Only the medial meniscus of the outlines that are named, whoever lends the soft tissue."""
    plain = draw_image_knee(11, 0, source.template).parameters.extrusion_mm
    anatomy = source.template.anatomy
    lent = SimpleNamespace(anatomy=anatomy, name="mskt_left_knee+spl_knee_atlas")
    seated = draw_image_knee(11, 0, lent).parameters.extrusion_mm
    assert seated["medial"] == pytest.approx(plain["medial"] + MEDIAL_EXTRUSION_MM["mskt_left_knee"])
    assert seated["lateral"] == plain["lateral"]


def test_detail_is_restored_and_a_plane_stays() -> None:
    flat = np.full((2, 16, 16), 0.4, np.float32)
    assert sharpened(torch.from_numpy(flat)).numpy() == pytest.approx(flat, abs=1e-5)
    line = flat.copy()
    line[:, :, 8] = 1.0
    sharp = sharpened(torch.from_numpy(line)).numpy()
    assert sharp[0, 8, 8] > 1.2
    assert sharp.min() >= 0
    assert sharp.mean() == pytest.approx(line.mean(), rel=1e-3)
