"""The multi-echo template's structures, by number, where anatomy says they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.files.array_cache import digest_of, kept_arrays, user_cache
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.simulation.anatomy.anatomical_structures import MUSCLES, STRUCTURE, STRUCTURES
from Xray2MRILib.simulation.anatomy.anatomy_template import template_axes
from Xray2MRILib.simulation.anatomy.assembled_template import code_digest, from_arrays, to_arrays
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate
from Xray2MRILib.simulation.anatomy.multi_echo_template import build_multi_echo_template
from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

pytestmark = pytest.mark.slow
FIELD_ROWS_MM = (-100.0, 70.0)  # of a knee of middle size in the scanner's field, a little more than it shows


@pytest.fixture(scope="module")
def template() -> ImageTemplate:
    """The template as this code builds it from the shipped maps; it takes 180 s unless the same code did so before."""
    folder = resource_path("anatomy/multi_echo_knee")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    arrays = kept_arrays(
        user_cache() / "assembled", "tested_multi_echo_knee", digest_of(files, [code_digest()]),
        lambda: to_arrays(build_multi_echo_template(folder)),
    )  # fmt: skip
    assert arrays is not None
    return from_arrays(arrays)


def places(template: ImageTemplate, name: str) -> np.ndarray:
    """Voxels of a structure or of a tissue, mm [N, 3]."""
    assert template.structure is not None
    mask = template.structure == STRUCTURE[name] if name in STRUCTURE else template.code == CODE[name]
    return np.argwhere(mask) * SPACING_MM + [lo for lo, _ in EXTENT_MM.values()]


def test_every_structure_is_there(template: ImageTemplate) -> None:
    drawn_by_disease = {"medial gastrocnemius bursa"}
    for name in STRUCTURES[1:]:
        if name not in drawn_by_disease:
            assert len(places(template, name)) * SPACING_MM**3 > 250, name


def test_muscles_hang_together(template: ImageTemplate) -> None:
    """At least nine tenths of every muscle are one piece."""
    from scipy import ndimage

    assert template.structure is not None
    for name in MUSCLES:
        mask = template.structure == STRUCTURE[name]
        labels, _ = ndimage.label(ndimage.binary_dilation(mask))
        sizes = np.bincount(labels[mask])
        assert sizes.max() > 0.9 * sizes.sum(), name


def test_bones_are_one_piece_each(template: ImageTemplate) -> None:
    from scipy import ndimage

    for bone in ("femur", "tibia", "fibula", "patella"):
        labels, _ = ndimage.label(template.code == CODE[bone])
        sizes = np.bincount(labels.ravel())[1:]
        assert sizes.max() > 0.995 * sizes.sum(), bone


def test_no_section_is_repeated_at_either_end(template: ImageTemplate) -> None:
    """Neighbouring rows at both ends differ as neighbours in the middle of thigh and calf do."""
    _, z, _ = template_axes()
    for values in (template.code, template.water):
        change = [(values[:, k] != values[:, k + 1]).mean() for k in range(len(z) - 1)]
        assert min(change[:20] + change[-20:]) > 0.25 * np.median(change)


def test_thigh_and_calf_change_along_the_leg(template: ImageTemplate) -> None:
    """Thigh, calf and shafts keep their size and taper; a shaft's section is 400 to 1000 mm2."""
    leg = (template.code > 0).sum(axis=(0, 2)) * SPACING_MM**2
    assert leg[0] > 0.93 * leg[42]
    assert 0.8 < leg[-1] / leg[-40] < 1.15
    for bone, row in (("femur", 0), ("tibia", -1)):
        area = (template.code[:, row] == CODE[bone]).sum() * SPACING_MM**2
        assert 400 < area < 1000, bone


@pytest.mark.parametrize("vessel", ["popliteal artery", "popliteal vein", "tibial nerve"])
def test_the_bundle_runs_behind_the_knee_from_end_to_end(template: ImageTemplate, vessel: str) -> None:
    found = places(template, vessel)
    _, z, _ = template_axes()
    rows = z[(z > FIELD_ROWS_MM[0]) & (z < FIELD_ROWS_MM[1])]
    for row in rows:
        assert (np.abs(found[:, 1] - row) < 0.1).any(), (vessel, row)
    level = found[np.abs(found[:, 1]) < 3]
    rear = places(template, "tibia")
    rear = rear[(rear[:, 1] > 4) & (rear[:, 1] < 12)][:, 0].min()
    assert rear - 16 < level[:, 0].mean() < rear + 2
    assert abs(level[:, 2].mean()) < 14


def test_the_order_in_the_fossa(template: ImageTemplate) -> None:
    """Artery in front, vein behind it, nerve behind both; the common peroneal nerve lies beside the biceps."""
    at = {
        name: np.mean([p for p in places(template, name) if -14 < p[1] < -4], axis=0)
        for name in ("popliteal artery", "popliteal vein", "tibial nerve", "common peroneal nerve")
    }
    depths = [at[n][0] for n in ("popliteal artery", "popliteal vein", "tibial nerve")]
    assert depths[0] > depths[1] > depths[2]
    assert at["common peroneal nerve"][2] < -38


def test_collateral_ligaments_reach_where_they_should(template: ImageTemplate) -> None:
    """Medial: epicondyle to 5-6 cm below the joint. Lateral: epicondyle to the head of the fibula, 45-75 mm."""
    medial = places(template, "medial collateral ligament")
    assert -52 < medial[:, 1].min() < -28
    assert 48 < medial[:, 1].max() < 62
    assert (medial[:, 2] > 0).all()
    lateral = places(template, "lateral collateral ligament")
    femur, fibula = places(template, "femur"), places(template, "fibula")
    upper, lower = lateral[np.argmin(lateral[:, 1])], lateral[np.argmax(lateral[:, 1])]
    assert np.abs(femur - upper).sum(axis=1).min() < 8
    assert np.linalg.norm(fibula - lower, axis=1).min() < 4
    assert 40 < np.linalg.norm(upper - lower) < 80


def test_cruciate_ligaments_cross(template: ImageTemplate) -> None:
    """Anterior: from the lateral condyle to the front of the plateau. Posterior: from the medial one to its rear."""
    anterior, posterior = (places(template, f"{n} cruciate ligament") for n in ("anterior", "posterior"))

    def end(points: np.ndarray, lowest: bool) -> np.ndarray:
        order = np.argsort(points[:, 1])
        return points[order[-60:] if lowest else order[:60]].mean(axis=0)

    assert end(anterior, True)[0] - end(posterior, True)[0] > 18
    assert end(anterior, False)[2] < end(posterior, False)[2]
    for points in (anterior, posterior):
        assert 22 < np.linalg.norm(end(points, True) - end(points, False)) < 48


def test_the_patellar_ligament_has_its_length(template: ImageTemplate) -> None:
    """From the lower pole of the patella to the tuberosity: 42 to 53 mm in this large knee, 78 mm wide."""
    ligament = places(template, "patellar ligament")
    top = ligament[ligament[:, 1] < ligament[:, 1].min() + 3].mean(axis=0)
    foot = ligament[ligament[:, 1] > ligament[:, 1].max() - 3].mean(axis=0)
    assert 42 < np.linalg.norm(top - foot) < 53
    tibia = places(template, "tibia")
    assert np.linalg.norm(tibia - foot, axis=1).min() < 6


def test_hoffas_pad_has_its_volume(template: ImageTemplate) -> None:
    """27 +- 7 cm3 in people of normal weight, 31 +- 7 in others (OAI)."""
    assert 15 < len(places(template, "Hoffa's fat pad")) * SPACING_MM**3 / 1000 < 42


def test_maps_and_file_agree(template: ImageTemplate, tmp_path: Path) -> None:
    """Named structures survive the file; ligaments and tendons are dark, vessels bright."""
    template.save(tmp_path / "t.npz")
    again = ImageTemplate.load(tmp_path / "t.npz")
    assert np.array_equal(again.structure, template.structure)
    assert template.structure is not None
    signal = template.water * np.exp(-7.57 / np.maximum(0.75 * template.t2_ms.astype(np.float32), 1))
    level = {n: float(np.median(signal[template.structure == STRUCTURE[n]])) for n in
             ("soleus", "medial collateral ligament", "patellar ligament", "popliteal artery")}  # fmt: skip
    assert level["medial collateral ligament"] < 0.5 * level["soleus"]
    assert level["patellar ligament"] < 0.35 * level["soleus"]
    assert level["popliteal artery"] > level["soleus"]
