"""Hamstring tendons and vessel courses: dark strands from muscle to bone, vessels that wind and keep their blood."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomical_structures import STRUCTURE  # noqa: E402
from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.drawn_shapes import along, tube  # noqa: E402
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate, first_generation  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE  # noqa: E402
from Xray2MRILib.simulation.mr.hamstring_tendons import TENDONS, draw_hamstring_tendons  # noqa: E402
from Xray2MRILib.simulation.mr.vessel_courses import round_off_trunks, wind_genicular_vessels  # noqa: E402

LOW = np.array([low for low, _ in EXTENT_MM.values()])


def leg(*, named: bool = True) -> ImageTemplate:
    """A round leg of fat with a tibia, three muscles above the joint, and a straight genicular vessel of 2.4 mm."""
    y, z, x = template_axes()
    yy, xx = y[:, None, None] + 4, x[None, None]
    around = np.hypot(yy, xx) < 56
    code = np.broadcast_to(np.where(around, CODE["fat"], 0), (len(y), len(z), len(x))).astype(np.uint8)
    below = z[None, :, None] > 2
    code[(np.hypot(yy - 8, xx) < 34) & below] = CODE["tibia"]
    structure = np.zeros_like(code)
    for name, middle, lowest in (
        ("semimembranosus", (-35.0, 22.0), -33), ("semitendinosus", (-46.0, 8.0), -67), ("gracilis", (-29.0, 35.0), -56)
    ):  # fmt: skip
        muscle = np.hypot(y[:, None, None] - middle[0], xx - middle[1]) < 5
        structure[muscle & (z[None, :, None] < lowest)] = STRUCTURE[name]
    code[structure > 0] = CODE["muscle"]
    vessel = tube(along(np.array([(20.0, -60.0, -40.0), (20.0, -10.0, -40.0)])), 1.2, code.shape)
    code[vessel.box][vessel.share > 0.5] = CODE["artery"]
    structure[vessel.box][vessel.share > 0.5] = STRUCTURE["genicular vessels"]
    plane = np.zeros((len(y), len(x)), np.float32)
    outside = np.broadcast_to(np.maximum(np.hypot(yy, xx) - 56, 0), code.shape).astype(np.float16)
    anatomy = AnatomyTemplate(
        "leg", first_generation(code), np.zeros(code.shape, np.float16), outside, plane - 2, plane + 2, (-38.0, 38.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {},
    )  # fmt: skip
    bytes_of = {"fat": (6, 176), "muscle": (158, 3), "artery": (180, 0), "tibia": (7, 170)}
    water, fat = (np.zeros_like(code) for _ in range(2))
    for name, (wet, fatty) in bytes_of.items():
        water[code == CODE[name]], fat[code == CODE[name]] = wet, fatty
    return ImageTemplate(anatomy, code, water, fat, np.full(code.shape, 33, np.uint8), structure if named else None)


def drawn(template: ImageTemplate) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Box, codes, water and fat as they are when a template is prepared."""
    box = (slice(10, 215), slice(4, 310), slice(20, 275))
    maps = [template.water[box].astype(np.float32) / 200, template.fat[box].astype(np.float32) / 200]
    return box, template.code[box].copy(), maps[0], maps[1]


def test_tendons_run_from_each_muscle_to_the_tibia() -> None:
    template = leg()
    box, code, water, fat = drawn(template)
    draw_hamstring_tendons(template, box, code, water, fat)
    tendon = code == CODE["tendon"]
    start = np.array([part.start for part in box])
    places = (np.argwhere(tendon) + start) * SPACING_MM + LOW
    # they are dark and hold no fat
    assert water[tendon].max() < 0.5
    assert fat[tendon].max() < 0.46
    assert np.median(water[tendon] + fat[tendon]) < 0.1
    # no bone is drawn over, and nothing lies outside the fascia
    assert np.array_equal(code == CODE["tibia"], template.code[box] == CODE["tibia"])
    assert np.hypot(places[:, 0] + 4, places[:, 2]).max() < 56
    # between the joint and the ends of the muscles there are as many strands as tendons
    from scipy import ndimage

    for level in (-30.0, -10.0, 4.0):
        row = round((level - LOW[1]) / SPACING_MM) - box[1].start
        assert ndimage.label(tendon[:, row], np.ones((3, 3)))[1] == len(TENDONS)
    near = ndimage.binary_dilation(code == CODE["tibia"], iterations=3)
    assert (tendon & near).any()


def test_label_maps_keep_their_own_tendons() -> None:
    template = leg(named=False)
    box, code, water, fat = drawn(template)
    before = code.copy()
    draw_hamstring_tendons(template, box, code, water, fat)
    wind_genicular_vessels(template, box, code, water, fat)
    assert np.array_equal(code, before)


def test_vessels_wind_about_their_course_and_keep_their_blood() -> None:
    template = leg()
    box, code, water, fat = drawn(template)
    before = code == CODE["artery"]
    wind_genicular_vessels(template, box, code, water, fat)
    after = code == CODE["artery"]
    assert after.sum() == pytest.approx(before.sum(), rel=0.25)
    middles = []
    for mask in (before, after):
        rows = [row for row in range(mask.shape[1]) if mask[:, row].any()][4:-4]
        middles.append(np.array([np.argwhere(mask[:, row]).mean(axis=0) for row in rows]) * SPACING_MM)
    straight, winding = (middle.std(axis=0) for middle in middles)
    assert straight.max() < 0.05
    assert 0.4 < winding.min() < winding.max() < 2.5
    # where the vessel was and is no more there is fat like that around it
    left = before & ~after
    assert np.isin(code[left], (CODE["fat"],)).all()
    assert np.median(fat[left]) == pytest.approx(0.88, abs=0.02)


def test_steps_of_a_label_map_are_rounded_off() -> None:
    template = leg(named=False)
    _, code, water, fat = drawn(template)
    code[code == CODE["artery"]] = CODE["fat"]
    # blocks of 5 mm, each 2.5 mm beside the one above it
    for step in range(8):
        code[60:68, 100 + 8 * step : 108 + 8 * step, 80 + 4 * (step % 2) : 88 + 4 * (step % 2)] = CODE["artery"]
    before = code == CODE["artery"]
    round_off_trunks(template, code, water, fat)
    after = code == CODE["artery"]

    def steps(mask: np.ndarray) -> float:
        middle = np.array([np.argwhere(mask[:, row])[:, 1].mean() for row in range(112, 152)])
        return float(np.abs(np.diff(middle)).max())

    assert steps(before) == pytest.approx(4.0)
    assert steps(after) < 1.5
    assert after.sum() == pytest.approx(before.sum(), rel=0.3)
