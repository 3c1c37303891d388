"""Sex, height and body mass of drawn people, and what they do to the knee, against published sizes."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.simulation.anatomy.knee_parameters import draw
from Xray2MRILib.simulation.anatomy.person import (
    DEPTH,
    PATELLA_MM,
    PLATEAU_MM,
    SHARE_OF_WOMEN,
    Person,
    draw_person,
    of_person,
    patella_factors,
)

TEMPLATE_MM = 78.0
COUNT = 400


def knees(person: Person) -> list:
    return [of_person(draw(s, 0, ("t",), {"t": TEMPLATE_MM}), person, TEMPLATE_MM) for s in range(COUNT)]


def test_widths_have_the_published_mean_and_spread() -> None:
    """Over all height classes with their shares, within three standard errors."""
    for sex, (mean, deviation) in PLATEAU_MM.items():
        widths = []
        for seed in range(4 * COUNT):
            person = draw_person(seed)
            if person.sex == sex:
                knee = of_person(draw(seed, 0, ("t",), {"t": TEMPLATE_MM}), person, TEMPLATE_MM)
                widths.append(knee.scale[2] * TEMPLATE_MM)
        assert np.mean(widths) == pytest.approx(mean, abs=3 * deviation / np.sqrt(len(widths)))
        assert np.std(widths) == pytest.approx(deviation, rel=0.12)


def test_classes_have_their_shares() -> None:
    people = [draw_person(seed) for seed in range(1500)]
    assert np.mean([p.sex == "woman" for p in people]) == pytest.approx(SHARE_OF_WOMEN, abs=0.04)
    assert np.mean([p.body_mass == "obese" for p in people]) == pytest.approx(0.35, abs=0.04)


def test_fat_grows_with_body_mass_and_is_thicker_in_women() -> None:
    fat = {
        (sex, mass): np.median([k.fat_mm for k in knees(Person(sex, "middle", mass))])
        for sex in PLATEAU_MM
        for mass in ("normal", "overweight", "obese")
    }
    for sex in PLATEAU_MM:
        assert fat[sex, "normal"] < fat[sex, "overweight"] < fat[sex, "obese"]
    assert all(fat["woman", mass] > fat["man", mass] for mass in ("normal", "overweight", "obese"))


def test_what_does_not_depend_on_the_person_stays() -> None:
    plain = draw(5, 3, ("t",), {"t": TEMPLATE_MM})
    changed = of_person(plain, Person("man", "tall", "obese"), TEMPLATE_MM)
    for name in ("joint_space_mm", "osteophyte_mm", "rotation_deg", "field_offset_mm"):
        assert getattr(changed, name) == getattr(plain, name)
    assert changed.scale[0] / changed.scale[2] == pytest.approx(plain.scale[0] / plain.scale[2])


def test_patellas_have_the_chosen_size_whatever_their_outline() -> None:
    """Mean over many people at a plateau of 71 mm, from outlines with a small and a large patella; a fifth stays."""
    chosen = np.array([PATELLA_MM["y"] / DEPTH, PATELLA_MM["z"], PATELLA_MM["x"]])
    for share in (0.85, 1.1):
        own = share * chosen
        drawn = np.array([patella_factors(seed, tuple(own), 71.0) for seed in range(COUNT)]) * own
        assert drawn.mean(axis=0) == pytest.approx(chosen * share**0.2, rel=0.01)
        assert (drawn.std(axis=0) / drawn.mean(axis=0) < 0.08).all()
