"""The conditions of a diffusion model from the crop of a radiograph and the grade probabilities of its knee."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..conditions.koa_probabilities import KoaProbabilities
from ..conditions.registry import encode_told
from ..diffusion.radiograph_conditions import RadiographConditions, encode_radiograph
from ..errors import ProcessingError

if TYPE_CHECKING:
    from ..models.conditional_unet import Xray2MRIUNet
    from ..models.diffusers_parts import AutoencoderKL
    from ..models.radiograph_encoder import RadiographEncoder

NO_CLASSIFIER_NOTE = "No grade classifier is installed: all five grades were assumed to be equally likely."


def encode_conditions(
    autoencoder: AutoencoderKL,
    radiograph_encoder: RadiographEncoder,
    unet: Xray2MRIUNet,
    crop: torch.Tensor,
    koa: KoaProbabilities,
    told: Mapping[str, Any] | None = None,
) -> RadiographConditions:
    """Conditions of a crop [1, 256, 256] in [-1, 1] with the vectors that the U-Net requires (``conditions.registry``).

    ``told`` holds what the user tells: ``age``, ``sex``, ``bmi``, ``r``; whatever is missing is unknown to the model.
    Raises ProcessingError (code ``unknown-condition``) when the U-Net requires a vector that nobody knows.
    """
    from ..conditions.intensity_histogram import intensity_histogram

    sizes = dict(zip(unet.config.condition_names, unet.config.condition_sizes, strict=True))
    known = {
        "p": lambda size: torch.tensor(koa.values, dtype=torch.float32),
        "i": lambda size: torch.as_tensor(intensity_histogram(crop.numpy(), bins=size), dtype=torch.float32),
    }
    told_vectors = encode_told(list(sizes), told or {})
    unknown = sorted(name for name in sizes if name not in known and len(told_vectors.get(name, ())) != sizes[name])
    if unknown:
        raise ProcessingError(
            f"The model requires the condition {unknown[0]!r}, which cannot be computed from a radiograph.",
            code="unknown-condition",
            hint="Use another model.",
        )
    vectors = {
        name: known[name](size) if name in known else torch.tensor(told_vectors[name]) for name, size in sizes.items()
    }
    return encode_radiograph(autoencoder, radiograph_encoder, crop, vectors)


def classify_grades(crop: torch.Tensor) -> tuple[KoaProbabilities, list[str]]:
    """Grade probabilities from the shipped classifier, and notes; without a classifier uniform ones and a note."""
    from ..conditions.koa_classifier import classify_koa

    try:
        return classify_koa(crop.numpy()), []
    except ProcessingError as error:
        if error.code != "missing-resource":
            raise
    return KoaProbabilities.uniform(), [NO_CLASSIFIER_NOTE]
