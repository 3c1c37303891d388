"""How far joint crops are changed at random in a training: the section ``variation`` of three recipes."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry


@dataclass(frozen=True)
class Augmentation(Recipe):
    """Limits of the random changes of a crop (see ``training/data/augmentation.py``); 0 switches a change off."""

    rotation_deg: float = entry("the largest rotation", unit="degrees", low=0, high=180)
    shift: float = entry("the largest shift", unit="share of the side", low=0, high=1)
    scale: float = entry("the largest relative change of size", low=0, high=2)
    aspect: float = entry("the largest relative change of the height-to-width ratio", low=0, high=2)
    short_radiograph: float = entry(
        "the probability that the radiograph ends inside the crop above, and below; its edge row then repeats",
        low=0,
        high=1,
        key="short_film",
    )
    cut: float = entry("the largest part that such an end cuts away", unit="share of the side", low=0, high=1)
    gamma: float = entry("the largest change of the exponent, exp(+-gamma)", low=0, high=5)
    contrast: float = entry("the largest change of the gain about mid grey", low=0, high=1)
    brightness: float = entry("the largest offset", unit="share of the grey range", low=0, high=1)
    local_contrast: float = entry("the largest flattening of local contrast; twice as much enhances it", low=0, high=2)
    blur: float = entry("the largest share of a softened copy", low=0, high=1)
    noise: float = entry("the largest standard deviation of noise", unit="share of the grey range", low=0, high=1)
    collimated: float = entry("the probability of a black band at one side", low=0, high=1)
    shading: float = entry("the largest brightness ramp in a random direction", low=0, high=2)
