"""Who the knee belongs to: sex, height class and body mass class, drawn first; they drive size, fat and muscle.

Widths of femur and tibia: 200 MR scans (doi 10.1186/s13018-021-02708-8), men 76.0 +- 3.0 mm and women 67.3 +- 3.2 mm at
the tibial plateau. Half of the spread goes with height. Fat thickness, muscle and the shares of the classes are chosen
to resemble people with or at risk of osteoarthritis; they are no measurement.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from .knee_parameters import KneeParameters

SEXES = ("woman", "man")
HEIGHT_CLASSES = ("short", "middle", "tall")
BODY_MASS_CLASSES = ("normal", "overweight", "obese")
SHARE_OF_WOMEN = 0.58
BODY_MASS_SHARES = (0.25, 0.40, 0.35)
PLATEAU_MM = {"woman": (67.3, 3.2), "man": (76.0, 3.0)}
DEPTH = (
    0.965  # of all knees: at the width of their plateau the five outlines are deeper from front to rear than 200 knees
)
# Height, width and thickness of the patella at a plateau of ``_AT_MM``: between the shape model's mean (26 people whose
# plateau is 75.7 mm wide) and that mean at this width.
PATELLA_MM = {"y": 22.8, "z": 40.0, "x": 38.5}
_AT_MM = 71.0
_PATELLA_SPREAD, _OUTLINES_SHARE = 0.05, 0.2  # how much of its outline's own size a patella keeps
FAT_MM = {
    "woman": {"normal": 8.5, "overweight": 12.0, "obese": 16.5},
    "man": {"normal": 5.0, "overweight": 7.0, "obese": 9.5},
}
MUSCLE = {"woman": 0.93, "man": 1.03}
_HEIGHT_STEP = 0.6  # standard deviations of width between two height classes
_LARGEST_FAT_MM = 26.0


@dataclass(frozen=True)
class Person:
    """Sex, height class and body mass class of one simulated person."""

    sex: str
    height: str
    body_mass: str

    def to_dict(self) -> dict[str, str]:
        """Plain JSON-able dictionary."""
        return asdict(self)


def draw_person(seed: int) -> Person:
    """Draw one person."""
    rng = np.random.default_rng([seed, 53])
    return Person(
        SEXES[int(rng.random() >= SHARE_OF_WOMEN)],
        str(rng.choice(HEIGHT_CLASSES, p=(0.25, 0.5, 0.25))),
        str(rng.choice(BODY_MASS_CLASSES, p=BODY_MASS_SHARES)),
    )


def of_person(parameters: KneeParameters, person: Person, template_plateau_mm: float) -> KneeParameters:
    """``parameters`` with the size, the fat and the muscle of ``person``.

    ``template_plateau_mm`` is the width of the template's plateau. What does not depend on the person stays.
    """
    rng = np.random.default_rng([parameters.seed, 59])
    mean, deviation = PLATEAU_MM[person.sex]
    step = (HEIGHT_CLASSES.index(person.height) - 1) * _HEIGHT_STEP * np.sqrt(2)
    # classes at -step, 0, step with shares 1/4, 1/2, 1/4 have the variance step^2 / 2; the rest is drawn
    rest = np.sqrt(1 - step_variance())
    width = mean + deviation * (step + rest * float(np.clip(rng.normal(), -2.5, 2.5)))
    size = float(width) / template_plateau_mm
    former = parameters.scale[2]
    depth, height = (s / former for s in parameters.scale[:2])
    fat = FAT_MM[person.sex][person.body_mass] * float(np.exp(np.clip(rng.normal(0, 0.25), -0.6, 0.6)))
    return replace(
        parameters,
        scale=(size * depth, size * height, size),
        fat_mm=min(fat, _LARGEST_FAT_MM),
        muscle_bulk=parameters.muscle_bulk * MUSCLE[person.sex],
    )


def patella_factors(seed: int, template_mm: tuple[float, float, float], template_plateau_mm: float) -> tuple:
    """How much larger one knee's patella is than its template's, (y, z, x), before the knee's own size.

    ``template_mm`` is the size of the template's patella (y, z, x) in mm.
    """
    rng = np.random.default_rng([seed, 101])
    common, own = np.clip(rng.normal(0, _PATELLA_SPREAD, 1), -0.1, 0.1), np.clip(rng.normal(0, 0.03, 3), -0.06, 0.06)
    wanted = np.array([PATELLA_MM[axis] for axis in "yzx"]) * template_plateau_mm / _AT_MM
    wanted[0] /= DEPTH
    factors = (wanted / np.array(template_mm)) ** (1 - _OUTLINES_SHARE) * (1 + common + own)
    return tuple(float(f) for f in factors)


def step_variance() -> float:
    """Share of the variance of widths that goes with the height class."""
    return float((_HEIGHT_STEP * np.sqrt(2)) ** 2 / 2)
