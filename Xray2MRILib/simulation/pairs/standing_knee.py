"""A drawn knee of an image-based template as it stands before the detector: pose, crop, and what its scan lacks.

Chosen on outlines, joint lines and mean pictures of real joint crops (docs/simulator-realism.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..anatomy.knee_parameters import KneeParameters

CROP_FOLLOWS_SIZE = 0.6  # exponent: joint crops follow a knee's size in part
_DRAWN_FLEXION_DEG = 14.0  # mean of ``knee_parameters.draw``, which is meant for label maps
_FLEXION_SPREAD, _FLEXED_DEG = 0.55, 0.9  # of what is drawn; more than each outline's own, for all
_DRAWN_VARUS_DEG, _VARUS_SPREAD, _VARUS_DEG = -2.5, 0.6, 0.4  # likewise; joint lines of real crops are tilted less
_AXIAL_DEG, _AXIAL_SPREAD = -4.0, 0.8  # patella and notch lie nearer to the middle, as on real crops
CORONAL_SHARE, CORONAL_MM = 1.0, 0.8  # of the outline's way to real radiographs; of each knee besides
REGIONAL_MINERAL = 0.10  # spread of regional bone density
_CONTOUR_MM = (1.5, 1.5)  # spread of the leg's contour: of a whole side, of thigh, knee and calf besides
_BEAM_SPREAD = 0.8  # the beam follows the plateau of the knee itself, not that of its template


@dataclass(frozen=True)
class TemplateStance:
    """What one template's scan needs so that its radiographs look like others'.

    Attributes
    ----------
    flexion_deg
        Mean flexion of the femur against the scan's pose.
    varus_deg
        Turn that levels the plateau.
    femur_width, femur_flare, tibia_taper
        Widths of the bones against the scan's.
    patella_mm
        How much higher the patella lies.
    """

    flexion_deg: float = 1.0
    varus_deg: float = 0.0
    femur_width: float = 1.0
    femur_flare: float = 0.0
    tibia_taper: float = 0.0
    patella_mm: float = 0.0


# Turns are those that give every outline the median tilt of the joint line on real crops, 2.5 degrees.
STANCES = {
    # this knee lay in its coil some seven degrees more flexed than the others; the stack is 96 mm wide and cuts the
    # outermost parts of the epicondyles
    "multi_echo_knee": TemplateStance(-6.0, 0.0, 1.045, 0.075, 0.08, 3.5),
    "spl_knee_atlas": TemplateStance(varus_deg=2.5),
    "dess_knee": TemplateStance(varus_deg=-0.5),
    "mskt_right_knee": TemplateStance(varus_deg=2.5),
    "mskt_left_knee": TemplateStance(varus_deg=3.0),
}


def standing(parameters: KneeParameters, name: str, size: float) -> KneeParameters:
    """``parameters`` of a knee of template ``name`` (OUTLINE or OUTLINE+SOFT_TISSUE) for its radiograph.

    ``size`` is the size that the person gave it over the one drawn.
    """
    stance = STANCES.get(name.split("+")[0], TemplateStance())
    tilt, varus, axial = parameters.rotation_deg
    turned = _DRAWN_VARUS_DEG + _VARUS_SPREAD * (varus - _DRAWN_VARUS_DEG)
    return replace(
        parameters,
        rotation_deg=(tilt, turned + stance.varus_deg + _VARUS_DEG, axial),
        film_axial_deg=_AXIAL_SPREAD * parameters.film_axial_deg + _AXIAL_DEG,
        flexion_deg=stance.flexion_deg + _FLEXED_DEG + _FLEXION_SPREAD * (parameters.flexion_deg - _DRAWN_FLEXION_DEG),
        beam_deg=_BEAM_SPREAD * parameters.beam_deg,
        femur_width=parameters.femur_width * stance.femur_width,
        femur_flare=parameters.femur_flare + stance.femur_flare,
        tibia_taper=parameters.tibia_taper + stance.tibia_taper,
        patella_height_mm=parameters.patella_height_mm + stance.patella_mm,
        crop_mm=parameters.crop_mm * size**CROP_FOLLOWS_SIZE,
        coronal_share=CORONAL_SHARE,
        coronal_mm=CORONAL_MM,
        regional_mineral=REGIONAL_MINERAL,
        contour_mm=contour_mm(parameters.seed),
    )


def contour_mm(seed: int) -> tuple[float, ...]:
    """How much thinner than the mean the leg is beside knee, calf and thigh, first its outer, then its inner side."""
    rng = np.random.default_rng([seed, 103])
    side, own = rng.normal(0, _CONTOUR_MM[0], (2, 1)), rng.normal(0, _CONTOUR_MM[1], (2, 3))
    return tuple(float(v) for v in (side + own).clip(-5, 5).ravel())
