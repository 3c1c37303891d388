"""Everything the U-Net is told about one radiograph, computed once for all depths and steps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..errors import InputError
from ..models.condition_dropout import null_conditions
from ..models.radiograph_encoder import RadiographEncoder
from ..volume.geometry import CROP_FRAME


@dataclass(frozen=True)
class RadiographConditions:
    """Conditions of one radiograph, each with a batch axis of 1.

    Attributes
    ----------
    latent
        [1, 4, h, w], concatenated to z_t.
    token
        [1, N, D] for cross-attention, or None.
    vectors
        Name -> [1, size], for the up path: ``p`` [1, 5], ``i`` [1, 64].
    """

    latent: Tensor
    token: Tensor | None
    vectors: Mapping[str, Tensor]

    def repeated(self, batch: int) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        """Latent, token and vectors as views of ``batch`` equal entries."""
        token = None if self.token is None else self.token.expand(batch, -1, -1)
        vectors = {name: vector.expand(batch, -1) for name, vector in self.vectors.items()}
        return self.latent.expand(batch, -1, -1, -1), token, vectors

    def dropped(self) -> RadiographConditions:
        """The unconditional branch of classifier-free guidance (A19), as condition dropout trains it."""
        return RadiographConditions(
            torch.zeros_like(self.latent),
            None if self.token is None else torch.zeros_like(self.token),
            null_conditions(self.vectors),
        )


@torch.inference_mode()
def encode_radiograph(
    autoencoder: AutoencoderKL, radiograph_encoder: RadiographEncoder, image: Tensor, vectors: Mapping[str, Tensor]
) -> RadiographConditions:
    """Conditions of a radiograph [1, 256, 256] in [-1, 1] and its condition vectors [size] (E2 of the paper, A1)."""
    image = image[None].to(autoencoder.device, autoencoder.dtype)
    return RadiographConditions(
        latent=radiograph_encoder.latent(autoencoder, image),
        token=radiograph_encoder.token(image),
        vectors={name: vector[None].to(autoencoder.device, autoencoder.dtype) for name, vector in vectors.items()},
    )


def prepared_picture(radiograph: Any) -> tuple[Tensor, bool, dict[str, Any]]:
    """Picture [1, 256, 256] float32 on the CPU, whether it was mirrored, and the record of its preparation."""
    mirrored = bool(getattr(radiograph, "mirrored", False))
    record = dict(getattr(radiograph, "record", {}))
    picture = getattr(radiograph, "image", radiograph)
    try:
        picture = torch.as_tensor(picture).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _bad_picture("is not an array of numbers") from error
    if tuple(picture.shape) != CROP_FRAME.shape:
        raise _bad_picture(f"has the shape {list(picture.shape)} instead of {list(CROP_FRAME.shape)}")
    if not torch.isfinite(picture).all():
        raise _bad_picture("holds values that are not numbers")
    if picture.abs().max() > 1.001:
        raise _bad_picture(f"has values from {picture.min():.4g} to {picture.max():.4g}, beyond [-1, 1]")
    return picture.clamp(-1, 1), mirrored, record


def picture_digest(picture: Tensor) -> str:
    """SHA256 of the picture's pixels, which tells whether two volumes come from the same crop."""
    return hashlib.sha256(np.ascontiguousarray(picture.numpy(), "<f4").tobytes()).hexdigest()


def _bad_picture(fault: str) -> InputError:
    return InputError(
        f"The prepared radiograph {fault}.", code="bad-image", hint="Prepare the radiograph with prepare_radiograph."
    )
