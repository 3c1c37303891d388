"""Soft tissue is lent without folds: bones of the outline stay as they are, muscle comes along, nothing is torn."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate  # noqa: E402
from Xray2MRILib.simulation.anatomy.lent_soft_tissue import Donor, lend  # noqa: E402
from Xray2MRILib.simulation.anatomy.outline import Outline, continue_shafts, shaft_ends  # noqa: E402
from Xray2MRILib.simulation.anatomy.outline_registration import STEP_MM, node_points, register  # noqa: E402
from Xray2MRILib.simulation.anatomy.signed_distance import signed_distance  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import SPACING_MM  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE  # noqa: E402

COMPARTMENTS = {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}


def made_knee(size: float = 1.0, aside_mm: float = 0.0) -> np.ndarray:
    """Codes of two condyled bones with cartilage, a patella, and muscle around the shafts inside a round leg."""
    y, z, x = (a / size for a in np.meshgrid(*template_axes(), indexing="ij", sparse=True))
    x = x - aside_mm / size
    code = np.zeros(np.broadcast_shapes(y.shape, z.shape, x.shape), np.uint8)
    leg = np.hypot(y, x) < 52
    code[leg & (z > -999)] = CODE["fat"]
    code[(np.hypot(y, x) < 46) & (np.abs(z) > 30)] = CODE["muscle"]
    shaft = (np.hypot(y, x) < 14) & (np.abs(z) > 15)
    condyles = sum((np.hypot(y + 4, z + 25) < 22) & (np.abs(x - c) < 15) for c in (-19, 19)) > 0
    plateau = (z > 3) & (z < 18) & (np.abs(x) < 36) & (np.abs(y) < 22)
    code[(np.abs(z) < 3) & (np.abs(np.abs(x) - 19) < 14) & (np.abs(y) < 16)] = CODE["cartilage"]
    code[((shaft & (z < 0)) | condyles) & (z < -2.5)] = CODE["femur"]
    code[((shaft & (z > 0)) | plateau) & (z > 2.5)] = CODE["tibia"]
    code[np.sqrt((y - 36) ** 2 + (z + 30) ** 2 + x**2) < 10] = CODE["patella"]
    return code


def donor_of(code: np.ndarray) -> Donor:
    """Muscle, fat and bones with densities of their own; no cortex."""
    flat = np.zeros((code.shape[0], code.shape[2]), np.float32)
    outside = np.maximum(signed_distance(code[::4, ::4, ::4] > 0, 2.5), 0)
    outside = np.where(
        code > 0, 0, np.kron(outside, np.ones((4, 4, 4)))[: code.shape[0], : code.shape[1], : code.shape[2]]
    )
    anatomy = AnatomyTemplate(
        "lending", code, np.zeros(code.shape, np.float16), outside.astype(np.float16), flat, flat, (-36.0, 36.0),
        COMPARTMENTS, {},
    )  # fmt: skip
    water = np.where(code == CODE["muscle"], 158, 12).astype(np.uint8)
    named = np.where(code == CODE["muscle"], 7, 0).astype(np.uint8)
    return Donor(ImageTemplate(anatomy, code, water, np.full_like(water, 100), np.full_like(water, 33), named), False)


def outline_of_bones(code: np.ndarray, kinds: tuple[str, ...]) -> Outline:
    own = np.where(np.isin(code, [CODE[k] for k in kinds]), code, 0).astype(np.uint8)
    return Outline("own", own, (-90.0, 60.0), COMPARTMENTS, 0.0)


def test_a_shifted_and_smaller_knee_is_found_without_folds() -> None:
    """The small knee's surfaces come to lie on the large one's, to within half a millimetre in the mean."""
    from scipy import ndimage

    small, large = made_knee(0.92, 3.0), made_knee()
    field = register(outline_of_bones(small, ("femur", "tibia", "patella")), large)
    assert field.jacobian().min() > 0.5
    assert field.points_mm.shape == node_points().shape
    low = np.array([axis[0] for axis in template_axes()])[:, None]
    for bone in ("femur", "tibia", "patella"):
        distance = [signed_distance(code[::2, ::2, ::2] == CODE[bone], 2 * SPACING_MM) for code in (small, large)]
        own = distance[0][::2, ::2, ::2]
        z = node_points().numpy()[1]
        surface = (np.abs(own) < STEP_MM) & (z > -80) & (z < 50)
        found = ndimage.map_coordinates(distance[1], (field.points_mm[:, surface] - low) / (2 * SPACING_MM), order=1)
        assert np.abs(found - own[surface]).mean() < 0.5


def test_shafts_go_on_where_the_map_ends() -> None:
    """A map cut at -75 and 45 mm: its shafts reach the template's ends as the columns that they were."""
    whole = made_knee()
    z = template_axes()[1]
    cut = np.where(np.isin(whole, [CODE["femur"], CODE["tibia"]]), whole, 0).astype(np.uint8)
    cut[:, (z < -75) | (z > 45)] = 0
    ends = shaft_ends(cut)
    assert ends == pytest.approx((-72, 42), abs=1.5)
    continue_shafts(cut, ends)
    for row in (0, cut.shape[1] - 1):
        inside = np.isin(cut[:, row], [CODE["femur"], CODE["tibia"]])
        assert inside.sum() * SPACING_MM**2 == pytest.approx(np.pi * 14**2, rel=0.08)


@pytest.mark.slow
def test_bones_stay_muscle_is_lent_and_nothing_is_torn() -> None:
    from scipy import ndimage

    small, large = made_knee(0.92, 3.0), made_knee()
    outline = outline_of_bones(small, ("femur", "tibia", "patella", "cartilage"))
    donor = donor_of(large)
    made = lend(outline, donor, register(outline, donor.bones), "own+lending")
    z = template_axes()[1]
    known = (z > -88) & (z < 58)
    for bone in ("femur", "tibia", "patella"):
        assert np.array_equal((made.code == CODE[bone])[:, known], (outline.code == CODE[bone])[:, known])
        _, pieces = ndimage.label(made.code == CODE[bone])
        assert pieces == 1
    muscle = [(code[:, known] == CODE["muscle"]).sum() for code in (made.code, small)]
    assert muscle[0] == pytest.approx(muscle[1], rel=0.1)
    assert np.array_equal(made.code > 0, made.anatomy.outside_mm == 0)
    deep = ndimage.binary_erosion(made.code == CODE["muscle"], iterations=2)
    assert np.median(made.water[deep]) == 158
    assert made.structure is not None
    assert (made.structure[deep] == 7).mean() > 0.999
    assert not made.structure[made.code == CODE["femur"]].any()
    marrow = ndimage.binary_erosion(made.code == CODE["tibia"], iterations=8)
    assert np.median(made.fat[marrow]) == pytest.approx(118, abs=1)
