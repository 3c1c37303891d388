"""The joint on the radiograph: the beam follows the plateau of the knee itself, rims have no sharp edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.bone_fields import _ROUNDED_MM, bone_fields  # noqa: E402
from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation  # noqa: E402
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import TISSUE_ID  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_volume import TissueVolume  # noqa: E402
from Xray2MRILib.simulation.mr.tissue_maps import TissueMaps  # noqa: E402
from Xray2MRILib.simulation.radiograph.drr import project  # noqa: E402

PLAIN = KneeParameters(
    seed=0, kl_grade=0, warp_mm=0.0, joint_space_mm={"medial": 6.0, "lateral": 6.0}, flexion_deg=0.0, source_mm=1e6,
    marrow_texture=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def blocks() -> AnatomyTemplate:
    """Femur and tibia as blocks, 80 mm wide and 50 mm deep, 6 mm apart, with margins on the tibia's medial rim."""
    y, z, x = (a.reshape(s) for a, s in zip(template_axes(), ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True))
    shape = (y.size, z.size, x.size)
    tissue = np.where((np.abs(y) < 66) & (np.abs(x) < 60) & (np.abs(z) < 200), TISSUE_ID["muscle"], 0).astype(np.uint8)
    column = np.broadcast_to((np.abs(y) < 25) & (np.abs(x) < 40), shape)
    tissue[column & (z < -3)] = TISSUE_ID["femur"]
    tissue[column & (z > 3)] = TISSUE_ID["tibia"]
    plane = np.zeros((y.size, x.size), np.float32)
    rim = np.array([(at, 5.0, 40.0) for at in np.arange(-20.0, 20.0, 2.0)], np.float32)
    return AnatomyTemplate(
        "blocks", tissue, np.where(tissue >= TISSUE_ID["femur"], 2, 0).astype(np.float16),
        np.zeros(shape, np.float16), plane - 3, plane + 3, (-40.0, 40.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {"tibia_medial": rim}, 0.0, (-8.0, -24.0),
    )  # fmt: skip


def depth_at(template: AnatomyTemplate, y_mm: float, z_mm: float, x_mm: float) -> float:
    """Depth of the tibia's mineral at the bone voxel next to a place."""
    bones = template.regions.bones
    axes = template_axes()
    at = [int(np.argmin(np.abs(axis - mm))) for axis, mm in zip(axes, (y_mm, z_mm, x_mm), strict=True)]
    voxel = np.flatnonzero((bones.y == at[0]) & (bones.z == at[1]) & (bones.x == at[2]))
    assert len(voxel) == 1
    return float(bone_fields(template).depth_mm[voxel[0]])


@pytest.mark.parametrize("tilt", [-6.0, 4.0, 7.0])
def test_the_slope_of_a_tilted_plateau(blocks: AnatomyTemplate, tilt: float) -> None:
    posed = KneeDeformation(blocks, replace(PLAIN, rotation_deg=(tilt, 0.0, 0.0)))
    assert posed.plateau_slope_deg == pytest.approx(tilt, abs=0.1)


def test_the_beam_follows_the_plateau(blocks: AnatomyTemplate) -> None:
    """A knee that is tilted in its pose shows the same open joint; without the beam's turn its rims would close it."""
    empty = TissueVolume.of_template(torch.zeros(2, 2, 2))

    def middle(parameters: KneeParameters) -> torch.Tensor:
        maps = TissueMaps(blocks, parameters)
        deformation = KneeDeformation(blocks, parameters)
        mineral = project(
            deformation, maps.mineral("femur"), maps.mineral("tibia"), empty, parameters, film_mm=60, pixels=120
        )
        return mineral[0][40:80, 80:100].mean(dim=1)  # 0.5 mm a row, about x = 15

    plain = middle(PLAIN)
    tilted = middle(replace(PLAIN, rotation_deg=(7.0, 0.0, 0.0)))
    missed = middle(replace(PLAIN, beam_deg=7.0))
    half = float(plain.median()) / 2
    opened = [int((rows < half).sum()) for rows in (plain, tilted, missed)]
    assert opened[0] == pytest.approx(12, abs=2)  # 6 mm
    assert abs(opened[1] - opened[0]) <= 1
    assert opened[2] < opened[0] - 2


def test_rims_are_rounded_and_spines_are_not(blocks: AnatomyTemplate) -> None:
    """Near the edge of a block the depth is that under a cylinder of the radius; under flat faces it is unchanged."""
    radius = _ROUNDED_MM["tibia"]
    inward = 1.0
    expected = radius - np.sqrt(2) * (radius - inward)
    assert depth_at(blocks, 0.0, 3 + inward, 40 - inward) == pytest.approx(expected, abs=0.7)
    assert depth_at(blocks, 0.0, 3 + inward, -40 + inward) == pytest.approx(expected, abs=0.7)
    assert depth_at(blocks, 0.0, 6.0, 20.0) == pytest.approx(3.0, abs=0.5)
    # an edge in the middle of the plateau, where the spines are, stays nearly a right angle
    assert depth_at(blocks, 24.0, 4.0, 0.0) > -0.3
    assert depth_at(blocks, 24.0, 4.0, 30.0) < -0.5


def test_an_osteophyte_fills_the_rounded_rim(blocks: AnatomyTemplate) -> None:
    """More than the rounded edge's mineral grows where the rim is, and it reaches beyond the block."""
    sick = replace(PLAIN, kl_grade=3, osteophyte_mm={"tibia_medial": 4.0})
    healthy, grown = (TissueMaps(blocks, p).mineral("tibia") for p in (PLAIN, sick))
    place = torch.tensor([[[[0.0, 5.0, 39.0], [0.0, 5.0, 42.0]]]])
    before, after = (volume.sample(place).flatten() for volume in (healthy, grown))
    assert float(before[1]) == 0
    assert bool((after > before + 0.005).all())


def test_soft_tissue_gives_way_beside_the_bones_alone() -> None:
    """Beside a standing knee points are sampled farther out by the chosen millimetres, in its bones where they are."""
    from Xray2MRILib.simulation.radiograph.drr import _THINNER_MM, standing_contour

    z = torch.tensor([-90.0, -10.0, 60.0])
    for side, sign in (("lateral", -1.0), ("medial", 1.0)):
        knee, calf, thigh = _THINNER_MM[side]
        far = torch.stack((torch.zeros(3), z, torch.full((3,), sign * 70.0)), dim=-1)
        moved = (standing_contour(far) - far)[:, 2] * sign
        assert moved.numpy() == pytest.approx([thigh, knee, knee + calf], abs=0.25)
        inside = far * torch.tensor([1.0, 1.0, 0.2])
        assert torch.allclose(standing_contour(inside), inside, atol=0.05)
    across = torch.linspace(-90, 90, 500)
    line = standing_contour(torch.stack((torch.zeros(500), torch.full((500,), 60.0), across), dim=-1))
    assert bool((line[:, 2].diff() > 0).all())
