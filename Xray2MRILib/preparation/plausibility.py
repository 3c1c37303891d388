"""Is this a frontal knee radiograph at all? A visible warning for radiographs that the model was never meant for.

Not part of the paper: a network for the picture (``radiograph_check``) and a few counts for what needs no network. It
warns, it never refuses; its rates per kind of picture are in the MODEL_CARD.md of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..localization.knee_box import KneeBox

_BLANK_CONTRAST = 1e-3  # spread between the 1st and 99th percentile, relative to the radiograph's largest value
_MOST_BLACK = 0.6  # share of the crop; real crops with wide collimation reach about a half
_LEAST_ON_RADIOGRAPH = 0.5  # share of the box; joint crops of short radiographs still have about 0.65
_CERTAIN = 0.9  # frontal probability that outweighs a detector which found nothing


@dataclass
class Plausibility:
    """Judgement on one prepared radiograph.

    Attributes
    ----------
    plausible
        False when any reason speaks against a frontal knee.
    score
        0 (certainly none) to 1: the frontal probability, reduced for an empty radiograph or a box beyond it.
    reasons
        What speaks against it, each a clause that can stand behind "because"; empty when plausible.
    """

    plausible: bool
    score: float
    reasons: list[str] = field(default_factory=list)


def assess_plausibility(radiograph_pixels: np.ndarray, prepared_image: np.ndarray, box: KneeBox | None) -> Plausibility:
    """Judge one radiograph.

    Parameters
    ----------
    radiograph_pixels
        The whole radiograph [H, W], arbitrary units.
    prepared_image
        The crop [1, 256, 256] in [-1, 1] that the model will see, mirrored or not.
    box
        Where on the radiograph it was taken; None when no joint was found and the whole picture was used.

    Raises ProcessingError when the weights of the radiograph check are missing or altered.
    """
    from .view_check import frontal_probability, load_view_classifier

    frontal = frontal_probability(prepared_image)
    _, threshold = load_view_classifier()
    score, reasons = frontal, []
    if _is_blank(radiograph_pixels):
        score = 0.0
        reasons.append("the radiograph is blank")
    elif (black := float((np.asarray(prepared_image) <= -0.999).mean())) > _MOST_BLACK:
        score *= 1 - black
        reasons.append(f"{black:.0%} of the knee crop is black")
    if box is None and frontal < _CERTAIN:
        score *= 0.5
        reasons.append("no knee joint was found")
    elif box is not None and (share := box.share_on_radiograph(*np.shape(radiograph_pixels))) < _LEAST_ON_RADIOGRAPH:
        score *= share
        reasons.append(f"only {share:.0%} of the knee's box is on the radiograph")
    if frontal < threshold:
        reasons.append(f"it does not look like a frontal knee (probability {frontal:.2f})")
    return Plausibility(not reasons, round(score, 4), reasons)


def _is_blank(radiograph: np.ndarray) -> bool:
    radiograph = np.asarray(radiograph)
    step = max(1, min(radiograph.shape) // 512)
    low, high = np.percentile(radiograph[::step, ::step], (1, 99))
    return bool(high - low <= _BLANK_CONTRAST * max(abs(low), abs(high)))
