"""A drawn knee of an image-based template as it stands before the detector: pose, crop, and what its scan lacks.

Chosen on outlines, joint lines and mean pictures of real joint crops (docs/simulator-realism.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..anatomy.knee_parameters import KneeParameters

CROP_FOLLOWS_SIZE = 0.6  # exponent: joint crops follow a knee's size in part
_DRAWN_FLEXION_DEG = 14.0  # mean of ``knee_parameters.draw``, which is meant for label maps
_FLEXION_SPREAD = 0.4
_DRAWN_VARUS_DEG, _VARUS_SPREAD = -2.5, 0.6  # likewise; joint lines of real crops are tilted less
_AXIAL_DEG, _AXIAL_SPREAD = -2.0, 0.75  # patella and notch lie nearer to the middle, as on real crops
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
    return replace(
        parameters,
        rotation_deg=(tilt, _DRAWN_VARUS_DEG + _VARUS_SPREAD * (varus - _DRAWN_VARUS_DEG) + stance.varus_deg, axial),
        film_axial_deg=_AXIAL_SPREAD * parameters.film_axial_deg + _AXIAL_DEG,
        flexion_deg=stance.flexion_deg + _FLEXION_SPREAD * (parameters.flexion_deg - _DRAWN_FLEXION_DEG),
        beam_deg=_BEAM_SPREAD * parameters.beam_deg,
        femur_width=parameters.femur_width * stance.femur_width,
        femur_flare=parameters.femur_flare + stance.femur_flare,
        tibia_taper=parameters.tibia_taper + stance.tibia_taper,
        patella_height_mm=parameters.patella_height_mm + stance.patella_mm,
        crop_mm=parameters.crop_mm * size**CROP_FOLLOWS_SIZE,
    )
