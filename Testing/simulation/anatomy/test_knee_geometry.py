"""Deformation, joint closing and projection against closed forms, on a template made of simple bodies."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from Xray2MRILib.simulation.anatomy.anatomy_template import EXTENT_MM, TISSUE_ID, AnatomyTemplate, template_axes
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters, draw

torch = pytest.importorskip("torch")

GAP_MM = 6.0


@pytest.fixture(scope="module")
def blocks() -> AnatomyTemplate:
    """Two bone blocks, 80 mm wide and 50 mm deep, with a 6 mm joint space in a 100 mm wide leg."""
    y, z, x = template_axes()
    y3, z3, x3 = y[:, None, None], z[None, :, None], x[None, None, :]
    shape = (len(y), len(z), len(x))
    inside = np.broadcast_to((np.abs(y3) < 40) & (np.abs(x3) < 50), shape)
    column = np.broadcast_to((np.abs(y3) < 25) & (np.abs(x3) < 40), shape)
    tissue = np.where(inside, TISSUE_ID["muscle"], 0).astype(np.uint8)
    tissue[column & (z3 < -GAP_MM / 2)] = TISSUE_ID["femur"]
    tissue[column & (z3 > GAP_MM / 2)] = TISSUE_ID["tibia"]
    plane = np.zeros((len(y), len(x)), np.float32)
    return AnatomyTemplate(
        "blocks", tissue, np.where(tissue >= TISSUE_ID["femur"], 20, 0).astype(np.float16),
        np.zeros(shape, np.float16), plane - GAP_MM / 2, plane + GAP_MM / 2, (-40.0, 40.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {}, 0.0, (-8.0, -24.0),
    )  # fmt: skip


def still(**changes: object) -> KneeParameters:
    """A knee without any random shape or pose."""
    plain = {
        "seed": 0, "kl_grade": 0, "warp_mm": 0.0, "joint_space_mm": {"medial": GAP_MM, "lateral": GAP_MM},
        "flexion_deg": 0.0, "source_mm": 1e6,
    }  # fmt: skip
    return KneeParameters(**(plain | changes))


def deformation_of(template: AnatomyTemplate, parameters: KneeParameters):
    from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation

    return KneeDeformation(template, parameters)


def whole(values: np.ndarray | torch.Tensor):
    """A volume over the template's whole box."""
    from Xray2MRILib.simulation.anatomy.tissue_volume import TissueVolume

    return TissueVolume.of_template(torch.as_tensor(values))


def radiograph_of(template: AnatomyTemplate, parameters: KneeParameters, *, bone=None, rest=None, **size: float):
    """Integrals (mineral, rest) of bodies given on the template's grid."""
    from Xray2MRILib.simulation.radiograph.drr import project

    none = torch.zeros(template.tissue.shape)
    volumes = [whole(none if v is None else v) for v in (bone, None, rest)]
    return project(deformation_of(template, parameters), *volumes, parameters, **size)


def test_joint_space_is_the_drawn_one_and_shows_in_the_volume(blocks: AnatomyTemplate) -> None:
    from Xray2MRILib.simulation.mr.flash_mri import JOINT_ROW, PIXEL_MM, scan

    for width in (1.5, 3.0, 5.0):
        deformation = deformation_of(blocks, still(joint_space_mm={"medial": width, "lateral": width}))
        truth = deformation.joint_space_mm()
        assert truth["medial"] == pytest.approx(width, abs=0.02)
        gap = torch.from_numpy((blocks.tissue == TISSUE_ID["muscle"]).astype(np.float32))
        volume = scan(deformation, whole(gap), still()).numpy()
        profile = volume[27, :, 160] / volume[27, :, 160].max()
        rows = slice(int(JOINT_ROW) - 30, int(JOINT_ROW) + 30)
        assert profile[rows].sum() * PIXEL_MM == pytest.approx(width, abs=0.5)


def test_joint_space_is_where_the_bones_come_closest(blocks: AnatomyTemplate) -> None:
    """A mound of 2 mm on the plateau beside the compartment's centre takes the drawn width; without one, the centre."""
    from Xray2MRILib.simulation.anatomy.deformation import contact_places

    assert contact_places(blocks) == blocks.compartment_mm
    y, _, x = template_axes()
    mound = 2 * np.exp(-(((y[:, None] - 6) / 6) ** 2 + ((x[None] - 20) / 6) ** 2)).astype(np.float32)
    made = replace(blocks, tibia_roof_mm=blocks.tibia_roof_mm - mound)
    found = contact_places(made)
    assert found["medial"] == pytest.approx((6.0, 20.0), abs=1.0)
    assert found["lateral"] == (0.0, -20.0)
    deformation = deformation_of(made, still(joint_space_mm={"medial": 4.0, "lateral": 4.0}))
    gap = (deformation.roof - deformation.floor - deformation.shift)[:, x > 0]
    assert float(gap.min()) == pytest.approx(4.0, abs=0.35)
    assert deformation.joint_space_mm()["medial"] == pytest.approx(4.0, abs=0.3)


def test_narrowing_one_compartment_tilts_the_tibia(blocks: AnatomyTemplate) -> None:
    truth = deformation_of(blocks, still(joint_space_mm={"medial": 1.0, "lateral": 5.0})).joint_space_mm()
    assert truth["medial"] == pytest.approx(1.0, abs=0.15)
    assert truth["lateral"] == pytest.approx(5.0, abs=0.15)


def test_bones_never_meet(blocks: AnatomyTemplate) -> None:
    deformation = deformation_of(blocks, still(joint_space_mm={"medial": 0.0, "lateral": 9.0}))
    assert float((deformation.roof - deformation.floor - deformation.shift).min()) >= 0.35 - 1e-4


def test_shape_does_not_fold() -> None:
    """Jacobian of the smooth random map is positive everywhere for the whole drawn population."""
    from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation

    y, _, x = template_axes()
    flat = np.zeros((len(y), len(x)), np.float32)
    tiny = AnatomyTemplate(
        "flat", np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1, 1), np.float16), np.zeros((1, 1, 1), np.float16),
        flat - 3, flat + 3, (-36.0, 36.0), {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {},
    )  # fmt: skip
    grid = torch.stack(torch.meshgrid(*[torch.arange(-48.0, 49.0, 3.0)] * 3, indexing="ij"), dim=-1)
    for seed in range(40):
        deformation = KneeDeformation(tiny, draw(seed, seed % 5, ("flat",), {"flat": 72.0}))
        mapped = deformation.shape(grid)
        columns = [mapped.diff(dim=axis)[: -1 or None, : -1 or None, : -1 or None] / 3 for axis in range(3)]
        size = min(c.shape[0] for c in columns)
        jacobian = torch.stack([c[:size, :size, :size] for c in columns], dim=-1)
        assert float(torch.linalg.det(jacobian).min()) > 0.2


def test_opening_the_joint_is_monotone(blocks: AnatomyTemplate) -> None:
    """Along the leg the joint's map never folds either, whatever is narrowed, tilted or worn."""
    for medial, lateral, worn in ((0.4, 5.0, 3.0), (8.0, 0.4, 0.0), (5.0, 5.0, 2.0)):
        parameters = still(
            joint_space_mm={"medial": medial, "lateral": lateral}, attrition_mm={"medial": worn, "lateral": 0.0}
        )
        deformation = deformation_of(blocks, parameters)
        z = torch.arange(-40.0, 40.0, 0.25)
        points = torch.stack((torch.zeros_like(z), z, torch.full_like(z, 20.0)), dim=-1)
        assert float(deformation.open_joint(points)[:, 1].diff().min()) > 0
        assert deformation.joint_space_mm()["medial"] == pytest.approx(medial, abs=0.3)


def test_attenuation_of_a_slab(blocks: AnatomyTemplate) -> None:
    slab = torch.zeros(blocks.tissue.shape)
    y = torch.from_numpy(template_axes()[0])
    slab[(y > -20) & (y < 20)] = 0.05
    radiograph = radiograph_of(blocks, still(), bone=slab, film_mm=60, pixels=48)
    assert float(radiograph[0, 24, 24]) == pytest.approx(0.05 * 40, rel=0.03)
    # a ray that is slanted by 45 degrees passes sqrt(2) times as much
    slanted = radiograph_of(blocks, still(beam_deg=45.0), bone=slab, film_mm=60, pixels=48)
    assert float(slanted[0, 24, 24]) == pytest.approx(0.05 * 40 * 2**0.5, rel=0.04)


def test_attenuation_of_a_sphere(blocks: AnatomyTemplate) -> None:
    y, z, x = (torch.from_numpy(a) for a in template_axes())
    radius = 20.0
    ball = (y[:, None, None] ** 2 + z[None, :, None] ** 2 + x[None, None] ** 2).sqrt() < radius
    radiograph = radiograph_of(blocks, still(), bone=ball * 0.1, rest=ball * 0.1, film_mm=60, pixels=60)
    for part in radiograph:
        for offset in (0, 8, 14):
            chord = 2 * np.sqrt(radius**2 - offset**2)
            assert float(part[30, 30 + offset]) == pytest.approx(0.1 * chord, rel=0.06)
        # all rays together: the ball's volume
        assert float(part.sum()) == pytest.approx(0.1 * 4 / 3 * np.pi * radius**3, rel=0.02)


def test_magnification_by_diverging_rays(blocks: AnatomyTemplate) -> None:
    """A thin rod at depth y shows at x * source / (source + y) in the plane of the joint centre."""
    source = 600.0
    y, _, x = template_axes()
    for depth in (-40.0, 40.0):
        rod = torch.zeros(blocks.tissue.shape)
        row, column = int(np.argmin(abs(y - depth))), int(np.argmin(abs(x - 30)))
        rod[row - 2 : row + 3, :, column] = 1
        radiograph = radiograph_of(blocks, still(source_mm=source), bone=rod, film_mm=80, pixels=320)[0, 160]
        centre = float((radiograph * torch.linspace(-39.875, 39.875, 320)).sum() / radiograph.sum())
        assert centre == pytest.approx(30 * source / (source + depth), abs=0.35)


def test_scan_keeps_volumes(blocks: AnatomyTemplate) -> None:
    """A ball of 15 mm keeps its volume through slices of 1.5 mm, and grows with the cube of the knee's size."""
    from Xray2MRILib.simulation.mr.flash_mri import PITCH_MM, PIXEL_MM, scan, slice_averaged

    y, z, x = (torch.from_numpy(a) for a in template_axes())
    # above the joint, where nothing is opened or closed
    ball = ((y[:, None, None] + 5) ** 2 + (z[None, :, None] + 30) ** 2 + x[None, None] ** 2).sqrt() < 15
    flat = {"slab_edge": (1e3, 1.0), "bias_length_mm": 1e6}
    for size in (1.0, 1.15):
        parameters = still(scale=(size, size, size), **flat)
        volume = scan(deformation_of(blocks, parameters), whole(slice_averaged(ball.float())), parameters).numpy()
        mm3 = float(volume.sum()) * PITCH_MM * PIXEL_MM**2
        assert mm3 == pytest.approx(4 / 3 * np.pi * (15 * size) ** 3, rel=0.03)


def test_slab_profile_and_coil_bias_follow_their_formulas(blocks: AnatomyTemplate) -> None:
    from Xray2MRILib.simulation.mr.flash_mri import field_axes, scan

    parameters = still(slab_edge=(0.5, 2.0), bias_length_mm=100.0, bias_tilt_per_mm=(0.0, 0.001))
    volume = scan(deformation_of(blocks, parameters), whole(torch.ones(blocks.tissue.shape)), parameters).numpy()
    _, z, x = field_axes(parameters)
    for depth, row, column in ((0, 100, 128), (3, 60, 90), (30, 200, 150)):
        expected = 1 / (1 + np.exp(-(depth + 0.5) / 2.0)) * np.exp(-(float(z[row]) ** 2) / 2e4)
        assert volume[depth, row, column] == pytest.approx(expected * (1 + 0.001 * float(x[column])), rel=1e-3)


def test_mirrored_knee_gives_mirrored_pictures(blocks: AnatomyTemplate) -> None:
    """Left and right: a body of balls and its mirror image, radiograph and MR slices."""
    from Xray2MRILib.simulation.mr.flash_mri import scan

    y, z, x = template_axes()
    pictures = []
    for side in (1, -1):
        rng = np.random.default_rng(0)
        body = torch.zeros(blocks.tissue.shape)
        for _ in range(6):
            cy, cz, cx, r = *rng.uniform(-25, 25, 3), rng.uniform(6, 12)
            distance = (y[:, None, None] - cy) ** 2 + (z[None, :, None] - cz) ** 2 + (x[None, None] - side * cx) ** 2
            body[torch.from_numpy(distance < r**2)] += 1
        radiograph = radiograph_of(blocks, still(source_mm=900), bone=body, film_mm=80, pixels=64)[0].numpy()
        pictures.append((radiograph, scan(deformation_of(blocks, still()), whole(body), still()).numpy()))
    for picture, mirrored in zip(*pictures, strict=True):
        assert np.corrcoef(picture.ravel(), mirrored[..., ::-1].ravel())[0, 1] > 0.98
        assert np.corrcoef(picture.ravel(), mirrored.ravel())[0, 1] < 0.9


def test_condyle_asymmetry_deepens_the_medial_condyle_only(blocks: AnatomyTemplate) -> None:
    from Xray2MRILib.simulation.anatomy.deformation import structured_warp
    from Xray2MRILib.simulation.anatomy.template_regions import lattice_points

    warp = structured_warp(blocks, still(condyle_asymmetry=1.06))
    y, z, x = np.moveaxis(lattice_points(), -1, 0)
    condyle = (np.abs(z + 22) < 8) & (np.abs(np.abs(x) - 25) < 9) & (y < -20)
    assert (warp[0][condyle & (x > 0)] > 0).all()  # the template point shown lies further forward: the condyle grew
    assert (warp[0][condyle & (x < 0)] < 0).all()
    assert np.abs(warp[0][z > 30]).max() < 0.02


def test_grades_lose_joint_space_on_average() -> None:
    means = []
    for grade in range(5):
        knees = [draw(1000 * grade + k, grade, ("t",), {"t": 75.0}) for k in range(150)]
        means.append(np.mean([min(k.joint_space_mm.values()) for k in knees]))
    assert all(a > b for a, b in pairwise(means))
    assert means[0] == pytest.approx(4.5, abs=0.5)
    assert means[4] < 1.6


def test_extent_holds_the_mr_field() -> None:
    from Xray2MRILib.simulation.mr.flash_mri import JOINT_ROW, PIXEL_MM, SIZE

    assert EXTENT_MM["z"][0] <= -JOINT_ROW * PIXEL_MM
    assert EXTENT_MM["z"][1] >= (SIZE - JOINT_ROW) * PIXEL_MM
