"""The U-Net's conditions from one radiograph, computed once for all depths and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..models.condition_dropout import null_conditions
from ..models.diffusers_parts import AutoencoderKL
from ..models.radiograph_encoder import RadiographEncoder
from ..preparation.recorded_radiograph import crop_digest
from ..volume.geometry import CROP_FRAME


@dataclass(frozen=True)
class RadiographConditions:
    """Conditions of one radiograph, each with a batch axis of 1; or of S slices of several, see ``stack``.

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

    def repeat(self, batch: int) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        """Latent, token and vectors expanded to ``batch`` equal entries, without copying."""
        token = None if self.token is None else self.token.expand(batch, -1, -1)
        vectors = {name: vector.expand(batch, -1) for name, vector in self.vectors.items()}
        return self.latent.expand(batch, -1, -1, -1), token, vectors

    @classmethod
    def stack(cls, several: Sequence[RadiographConditions], counts: Sequence[int]) -> RadiographConditions:
        """Conditions of so many (``counts``) slices of each radiograph, one after another on the batch axis."""
        parts = [one.repeat(count) for one, count in zip(several, counts, strict=True)]
        tokens = [token for _, token, _ in parts if token is not None]
        return cls(
            torch.cat([latent for latent, _, _ in parts]),
            torch.cat(tokens) if tokens else None,
            {name: torch.cat([vectors[name] for _, _, vectors in parts]) for name in several[0].vectors},
        )

    def of(self, slices: Sequence[int]) -> RadiographConditions:
        """The conditions of some slices: these themselves if they are of one radiograph."""
        if len(self.latent) == 1:
            return self
        rows = list(slices)
        token = None if self.token is None else self.token[rows]
        return RadiographConditions(self.latent[rows], token, {name: v[rows] for name, v in self.vectors.items()})

    def drop(self) -> RadiographConditions:
        """Null conditions for the unconditional branch of classifier-free guidance (A19), as in condition dropout.

        One null token stands for several: attention to equal tokens gives what attention to one of them gives.
        """
        return RadiographConditions(
            torch.zeros_like(self.latent),
            None if self.token is None else torch.zeros_like(self.token[:, :1]),
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


def unpack_crop(radiograph: Any) -> tuple[Tensor, bool, dict[str, Any]]:
    """The crop [1, 256, 256] float32 on the CPU, whether it was mirrored, and the record of its preparation.

    ``radiograph`` is a PreparedRadiograph or its crop alone. Raises InputError (code ``bad-image``) for another shape,
    or for values that are not finite or lie outside [-1, 1].
    """
    mirrored = bool(getattr(radiograph, "mirrored", False))
    record = dict(getattr(radiograph, "record", {}))
    crop = getattr(radiograph, "image", radiograph)
    try:
        crop = torch.as_tensor(crop).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _bad_crop("is not an array of numbers") from error
    if tuple(crop.shape) != CROP_FRAME.shape:
        raise _bad_crop(f"has the shape {list(crop.shape)} instead of {list(CROP_FRAME.shape)}")
    if not torch.isfinite(crop).all():
        raise _bad_crop("contains values that are not finite")
    if crop.abs().max() > 1.001:
        raise _bad_crop(f"has values from {crop.min():.4g} to {crop.max():.4g}, outside [-1, 1]")
    return crop.clamp(-1, 1), mirrored, record


def hash_crop(crop: Tensor) -> str:
    """SHA256 of the crop's pixels; equal for two volumes from the same crop."""
    return crop_digest(crop.numpy())


def _bad_crop(fault: str) -> InputError:
    return InputError(
        f"The prepared radiograph {fault}.", code="bad-image", hint="Prepare the radiograph with prepare_radiograph."
    )
