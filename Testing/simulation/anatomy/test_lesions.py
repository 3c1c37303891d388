"""Marrow lesions and popliteal cysts: how often they are drawn, where they lie, what they change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters, draw  # noqa: E402
from Xray2MRILib.simulation.anatomy.marrow_lesions import marrow_lesions, replace_fat  # noqa: E402
from Xray2MRILib.simulation.anatomy.popliteal_cyst import cyst_centre_mm, fill_popliteal_cyst  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import SPACING_MM, TISSUE_ID  # noqa: E402

COMPARTMENTS = {"medial": (0.0, 22.0), "lateral": (-4.0, -22.0)}


@pytest.fixture(scope="module")
def template() -> AnatomyTemplate:
    """Two blocks of bone 5 mm apart in a box of fat."""
    y, z, x = template_axes()
    tissue = np.full((len(y), len(z), len(x)), TISSUE_ID["fat"], np.uint8)
    box = (np.abs(y) < 26)[:, None, None] & (np.abs(x) < 38)[None, None]
    tissue[np.broadcast_to(box & (np.abs(z + 32.5) < 30)[None, :, None], tissue.shape)] = TISSUE_ID["femur"]
    tissue[np.broadcast_to(box & (np.abs(z - 32.5) < 30)[None, :, None], tissue.shape)] = TISSUE_ID["tibia"]
    plane = np.zeros((len(y), len(x)), np.float32)
    nothing = np.zeros(tissue.shape, np.float16)
    return AnatomyTemplate(
        "blocks", tissue, nothing, nothing, plane - 2.5, plane + 2.5, (-38.0, 38.0), COMPARTMENTS, {}
    )


def knees(grade: int, count: int = 400) -> list[KneeParameters]:
    return [draw(seed, grade, ("blocks",), {"blocks": 76.0}) for seed in range(count)]


@pytest.mark.parametrize(
    ("grade", "lesion", "cyst"),
    [
        (0, (0.1, 0.3), (0.02, 0.09)),
        (2, (0.4, 0.65), (0.1, 0.22)),
        (3, (0.7, 0.92), (0.2, 0.35)),
        (4, (0.85, 1.0), (0.26, 0.41)),
    ],
)
def test_chances_follow_the_grade(grade: int, lesion: tuple[float, float], cyst: tuple[float, float]) -> None:
    """Shares of knees with any lesion and with a cyst, of 400 knees."""
    drawn = knees(grade)
    assert lesion[0] < np.mean([any(p.marrow_lesion_mm.values()) for p in drawn]) < lesion[1]
    assert cyst[0] < np.mean([p.baker_cyst_mm > 0 for p in drawn]) < cyst[1]


def test_earlier_parameters_of_a_seed_stay() -> None:
    """Lesions have random numbers of their own; a record without them is read with none."""
    former = KneeParameters(seed=1, kl_grade=2)
    assert former.marrow_lesion_mm == {}
    assert former.baker_cyst_mm == 0
    drawn = draw(5, 3, ("blocks",), {"blocks": 76.0})
    assert drawn.effusion_mm == pytest.approx(draw(5, 3, ("blocks",), {"blocks": 76.0}).effusion_mm)


def test_a_lesion_lies_under_its_joint_surface_and_fades(template: AnatomyTemplate) -> None:
    parameters = KneeParameters(seed=3, kl_grade=3, marrow_lesion_mm={"tibia_medial": 7.0, "femur_lateral": 0.0})
    (lesion,) = marrow_lesions(template, parameters)
    centre = [s.start + n / 2 for s, n in zip(lesion.box, lesion.share.shape, strict=True)]
    place = np.array(centre) * SPACING_MM + template.origin_mm
    assert 2.5 < place[1] < 8
    assert abs(place[0]) < 12
    assert 15 < place[2] < 29
    share = lesion.share.numpy()
    assert 0.6 < share.max() <= 0.85
    rim = np.concatenate([np.take(share, (0, -1), axis=k).ravel() for k in range(3)])
    assert rim.max() < 0.2
    radius = (share[share > 0.4].size * SPACING_MM**3 * 3 / 4 / np.pi) ** (1 / 3)
    assert radius == pytest.approx(7.0, abs=2.5)


def test_water_takes_the_place_of_fat_in_bone_only(template: AnatomyTemplate) -> None:
    parameters = KneeParameters(seed=3, kl_grade=3, marrow_lesion_mm={"tibia_medial": 7.0})
    lesions = marrow_lesions(template, parameters)
    box = tuple(slice(s.start - 4, s.stop - 2) for s in lesions[0].box)
    bone = torch.from_numpy(template.tissue[box] == TISSUE_ID["tibia"])
    water, fat = torch.full(bone.shape, 0.02), torch.full(bone.shape, 0.1)
    replace_fat(water, fat, bone, lesions, box, 0.3)
    assert float(water.max()) > 0.2
    assert float(fat.min()) < 0.05
    assert torch.all(water[~bone] == 0.02)
    assert torch.all(fat[~bone] == 0.1)


def test_a_cyst_lies_behind_the_medial_condyle_and_spares_bone(template: AnatomyTemplate) -> None:
    """Volume near that of its three overlapping balls; none of size 0."""
    parameters = KneeParameters(seed=1, kl_grade=3, baker_cyst_mm=6.0)
    tissue = torch.from_numpy(template.tissue.copy())
    fill_popliteal_cyst(template, parameters, tissue)
    fluid = np.argwhere(tissue.numpy() == TISSUE_ID["fluid"]) * SPACING_MM + template.origin_mm
    assert 1.2 < len(fluid) * SPACING_MM**3 / 1000 < 3.5
    assert fluid[:, 0].max() < -26 + 0.5
    assert (fluid[:, 2] > 10).all()
    assert np.linalg.norm(fluid.mean(axis=0) - cyst_centre_mm(template)) < 15
    bone = np.isin(template.tissue, [TISSUE_ID["femur"], TISSUE_ID["tibia"]])
    assert np.array_equal(tissue.numpy()[bone], template.tissue[bone])
    untouched = torch.from_numpy(template.tissue.copy())
    fill_popliteal_cyst(template, replace(parameters, baker_cyst_mm=0.0), untouched)
    assert np.array_equal(untouched.numpy(), template.tissue)
