"""Mineral of simulated bones against closed forms: the cortex, a block of bone, thin plates, the patella."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation  # noqa: E402
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import SPACING_MM, TISSUE_ID  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_volume import TissueVolume  # noqa: E402
from Xray2MRILib.simulation.mr.bone_mineral import cortex_mm, mineral_share, spongy_share  # noqa: E402
from Xray2MRILib.simulation.mr.tissue_maps import TissueMaps  # noqa: E402
from Xray2MRILib.simulation.mr.tissue_properties import attenuation_per_mm  # noqa: E402
from Xray2MRILib.simulation.radiograph.drr import project  # noqa: E402

PLAIN = KneeParameters(
    seed=0, kl_grade=0, warp_mm=0.0, joint_space_mm={"medial": 6.0, "lateral": 6.0}, flexion_deg=0.0, source_mm=1e6,
    marrow_texture=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def blocks() -> AnatomyTemplate:
    """Femur and tibia as blocks, 80 mm wide and 50 mm deep, 6 mm apart, and a patella in front of the femur."""
    y, z, x = (a.reshape(s) for a, s in zip(template_axes(), ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True))
    shape = (y.size, z.size, x.size)
    tissue = np.where((np.abs(y) < 66) & (np.abs(x) < 50) & (np.abs(z) < 200), TISSUE_ID["muscle"], 0).astype(np.uint8)
    column = np.broadcast_to((np.abs(y) < 25) & (np.abs(x) < 40), shape)
    tissue[column & (z < -3)] = TISSUE_ID["femur"]
    tissue[column & (z > 3)] = TISSUE_ID["tibia"]
    tissue[(np.abs(y - 45) < 9) & (np.abs(z + 35) < 15) & (np.abs(x) < 15)] = TISSUE_ID["patella"]
    plane = np.zeros((y.size, x.size), np.float32)
    return AnatomyTemplate(
        "blocks", tissue, np.where(tissue >= TISSUE_ID["femur"], 20, 0).astype(np.float16),
        np.zeros(shape, np.float16), plane - 3, plane + 3, (-40.0, 40.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {}, 0.0, (-8.0, -24.0),
    )  # fmt: skip


def radiograph(template: AnatomyTemplate, parameters: KneeParameters, *parts: str, pixels: int = 100) -> torch.Tensor:
    """Integral of the named parts' mineral over 100 mm."""
    maps = TissueMaps(template, parameters)
    empty = TissueVolume.of_template(torch.zeros(2, 2, 2))
    volumes = {part: maps.mineral(part) if part in parts else empty for part in ("femur", "tibia", "patella")}
    return project(
        KneeDeformation(template, parameters), volumes["femur"], volumes["tibia"], empty, parameters, film_mm=100,
        pixels=pixels, patella=volumes["patella"],
    )[0]  # fmt: skip


@pytest.mark.parametrize("thickness", [0.8, 1.5, 3.0])
def test_the_cortex_is_as_thick_as_asked(thickness: float) -> None:
    depth = torch.arange(-2.0, 20.0, 0.01)
    share = mineral_share(depth, torch.tensor(thickness), torch.tensor(0.0))
    assert float(share.sum() * 0.01) == pytest.approx(thickness, abs=0.03)


def test_the_cortex_thickens_along_the_shaft() -> None:
    z = torch.tensor([0.0, 20.0, 40.0, 60.0])
    away = torch.full_like(z, 50.0)
    thickness = cortex_mm("tibia", z, away, 1.0)
    assert float(thickness[0]) == pytest.approx(0.45)
    assert bool((thickness.diff() > 0).all())
    assert float(cortex_mm("tibia", z[:1], torch.zeros(1), 1.0)) > float(thickness[0])


def test_attenuation_of_a_block_of_bone(blocks: AnatomyTemplate) -> None:
    """Along a ray: two cortices and cancellous bone between them (Beer-Lambert)."""
    found = radiograph(blocks, PLAIN, "tibia")
    row = 90  # 40.5 mm below the middle
    z = torch.tensor([40.5])
    wall = float(cortex_mm("tibia", z, z - 3, 1.0))
    inside = float(spongy_share("tibia", z, z - 3, 1.0, 0.0))
    deep = 50.0  # voxel centres within 25 mm, give or take one voxel
    per_mm = attenuation_per_mm("cortical bone") - attenuation_per_mm("adipose")
    rind = 9.0 * (np.exp(-wall / 9.0) - np.exp(-deep / 2 / 9.0))  # of the exponential that core_share ends with
    expected = per_mm * (2 * wall + 2 * inside * (0.55 * (deep / 2 - wall) + 0.65 * rind))
    assert float(found[row, 40:60].mean()) == pytest.approx(expected, rel=0.04)


def test_no_plate_is_missed_wherever_it_stands(blocks: AnatomyTemplate) -> None:
    """A plate of one voxel counts the same at every depth, as it would not if rays were sampled at steps only."""
    values = []
    for k in range(40, 52):
        plate = torch.zeros(blocks.tissue.shape)
        plate[k] = 1.0
        volume = TissueVolume.of_template(plate)
        empty = TissueVolume.of_template(torch.zeros(2, 2, 2))
        values.append(
            project(KneeDeformation(blocks, PLAIN), volume, empty, empty, PLAIN, film_mm=40, pixels=16)[0, 8, 8]
        )
    assert float(torch.stack(values).std()) < 0.02 * SPACING_MM
    assert float(torch.stack(values).mean()) == pytest.approx(SPACING_MM, rel=0.02)


def test_the_patella_stays_with_the_tibia_when_the_femur_is_flexed(blocks: AnatomyTemplate) -> None:
    rows = torch.linspace(-49.5, 49.5, 100)[:, None]

    def height(part: str, flexion: float) -> float:
        picture = radiograph(blocks, replace(PLAIN, flexion_deg=flexion), part)
        return float((rows * picture).sum() / picture.sum())

    assert height("patella", 20.0) == pytest.approx(height("patella", 0.0), abs=0.05)
    assert abs(height("femur", 20.0) - height("femur", 0.0)) > 0.5


def test_the_growth_scar_is_a_line(blocks: AnatomyTemplate) -> None:
    """Only rows near the scar are denser, by no more than asked."""
    with_scar = radiograph(blocks, replace(PLAIN, growth_scar=0.6), "tibia")[:, 50]
    gain = with_scar / radiograph(blocks, PLAIN, "tibia")[:, 50].clamp(min=1e-6)
    place = torch.linspace(-49.5, 49.5, 100)
    assert float(place[gain.argmax()]) == pytest.approx(17.0, abs=1.0)
    assert 1.1 < float(gain.max()) < 1.6
    assert float(gain[(place > 22) & (place < 45)].max()) < 1.01
