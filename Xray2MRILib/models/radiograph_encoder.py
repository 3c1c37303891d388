"""E2(x_c) of eq. 15 as two named conditions (A1): a latent to concatenate and tokens for cross-attention."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from ..volume.geometry import CROP_FRAME, OAI_FIELD
from .autoencoder import encode_images
from .clip_tower import EMBEDDING, LAYERS, WIDTH, build_clip_tower, clip_preprocess
from .diffusers_parts import AutoencoderKL, ConfigMixin, ModelMixin, register_to_config
from .radiograph_features import RadiographFeatures


class RadiographEncoder(ModelMixin, ConfigMixin):
    """Turns a radiograph [B, 1, 256, 256] in [-1, 1] into the conditions ``latent`` and ``token``.

    Parameters
    ----------
    token_encoder
        ``clip``: CLIP ViT-L/14 image embedding through a linear projection, one token (reading A1 of the paper).
        ``convolutional``: four tokens, one per quadrant of the crop, trained together with the U-Net.
        ``features``: one token per region of a grid over the crop, from the network of ``feature_channels``.
        ``none``: no token.
    token_width
        Width of a token, the U-Net's ``cross_attention_dim``.
    width
        Channels of the convolutional token encoder's first layer.
    field_placement
        A departure from A23, which ignores the crop's size in millimetres. The MR slice shows 160 mm while the crop
        spans about 91 mm around the joint line. If the crop is placed into the MR field at its nominal scale, the same
        pixel of radiograph and slice shows nearly the same anatomy. A small convolutional network needs this, because
        it lacks the capacity to learn a shift and a scale. Off in the paper preset.
    span_mm, field_mm
        Nominal edge of the crop and of the MR field in mm.
    centre_row, centre_column
        Position of the crop's centre in the 256 x 256 MR field.
    local_normalisation
        Subtract the local mean and divide by the local standard deviation, which removes differences in exposure and
        gamma between radiographs. Off in the paper preset.
    local_sigma_px
        Standard deviation of the Gaussian neighbourhood in pixels of the 256 x 256 crop.
    radiograph_latent_scale
        Factor on the concatenated latent: 1 in the paper preset, i.e. unscaled (A2).
    feature_channels
        Trained features of the radiograph that are concatenated with its latent, see radiograph_features; 0 for none,
        as in the paper preset. They need field_placement.
    token_grid
        Rows and columns of regions for ``features``.
    slice_size
        Edge in pixels of the autoencoder's images, both slices and radiograph: 256, or 128 for a model at half the
        resolution, which is about three times as fast. Its slices are enlarged afterwards.
    clip_width, clip_layers, clip_embedding
        Size of CLIP's image tower; the published one unless a test needs a small one.
    """

    @register_to_config
    def __init__(
        self,
        token_encoder: str = "convolutional",
        token_width: int = 128,
        width: int = 16,
        field_placement: bool = True,
        span_mm: float = CROP_FRAME.span_mm,
        field_mm: float = OAI_FIELD.width_mm,
        centre_row: float = CROP_FRAME.centre[0],
        centre_column: float = CROP_FRAME.centre[1],
        local_normalisation: bool = True,
        local_sigma_px: float = 24.0,
        radiograph_latent_scale: float = 1.0,
        feature_channels: int = 0,
        token_grid: int = 4,
        slice_size: int = OAI_FIELD.pixels,
        clip_width: int = WIDTH,
        clip_layers: int = LAYERS,
        clip_embedding: int = EMBEDDING,
    ) -> None:
        super().__init__()
        sizes = (OAI_FIELD.pixels, OAI_FIELD.pixels // 2)
        if not isinstance(slice_size, int) or slice_size not in sizes:
            raise InputError(
                f"slice_size cannot be {str(slice_size)[:20]}: choose {sizes[0]} or {sizes[1]}.", code="bad-recipe"
            )
        if feature_channels and not field_placement:
            raise ValueError("feature_channels need field_placement")
        if feature_channels:
            span_px = span_mm / field_mm * OAI_FIELD.pixels
            centre = (centre_row, centre_column)
            self.features = RadiographFeatures(feature_channels, width, span_px, centre, token_width, token_grid)
        if token_encoder == "clip":
            self.clip_visual = build_clip_tower(clip_width, clip_layers, clip_embedding)
            # Zero-123 projects (embedding, pose); without the pose columns its initialisation is the identity
            self.projection = nn.Linear(clip_embedding, token_width)
            nn.init.eye_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)
        elif token_encoder == "convolutional":
            self.tokens = _ConvolutionalTokens(token_width, width)
        elif token_encoder == "features":
            if not feature_channels:
                raise ValueError("token_encoder features needs feature_channels")
        elif token_encoder == "none":
            if not feature_channels:  # a file needs a tensor, which also gives device and number type
                self.register_buffer("unused", torch.zeros(1))
        else:
            raise ValueError(f"token_encoder must be clip, convolutional, features or none, not {token_encoder!r}")

    def forward(self, image: Tensor) -> Tensor | None:
        """The tokens [B, N, token_width] of a radiograph [B, 1, 256, 256], or None without a token encoder."""
        return self.token(image)

    def token(self, image: Tensor) -> Tensor | None:
        """The condition ``token``: [B, 1, 768] from CLIP or [B, N, token_width] from the convolutional encoder."""
        embedding = self.embedding(image)
        if embedding is not None:
            return self.projection(embedding)[:, None]
        if self.config.token_encoder == "convolutional":
            return self.tokens(self.normalised(image))
        if self.config.token_encoder == "features":
            return self.features(self.normalised(image))[1]
        return None

    def embedding(self, image: Tensor) -> Tensor | None:
        """CLIP's embedding [B, 768] of a radiograph, or None without CLIP.

        It does not depend on trained weights, so training can compute it once per radiograph.
        """
        return self.clip_visual(clip_preprocess(image)) if self.config.token_encoder == "clip" else None

    def take_tower(self) -> nn.Module | None:
        """Remove CLIP's frozen tower from this network and return it; None without CLIP.

        A training does so: the tower then takes no place in gradients, optimiser, averages and checkpoints.
        """
        return self._modules.pop("clip_visual", None)

    @contextmanager
    def with_tower(self, tower: nn.Module | None) -> Iterator[None]:
        """This network with a tower of ``take_tower``, on the network's device, while it is encoded with or saved."""
        if tower is not None:
            self.clip_visual = tower.to(self.device)
        try:
            yield
        finally:
            if tower is not None:
                self.take_tower()
                tower.to("cpu")

    def latent(self, vae: AutoencoderKL, image: Tensor) -> Tensor:
        """The condition ``latent`` [B, 4 + feature_channels, 32, 32], which is concatenated with z_t (A1, A2).

        With a ``slice_size`` of 128 it has 16 x 16 positions.
        """
        latent = self.autoencoder_latent(vae, image)
        return self.trained_conditions(latent, self.normalised(image))[0]

    def autoencoder_latent(self, vae: AutoencoderKL, image: Tensor) -> Tensor:
        """The VAE's posterior mode [B, 4, 32, 32] of the (placed) radiograph.

        It does not depend on trained weights of this network, so training can compute it once per radiograph.
        """
        view = self.at_slice_size(self.autoencoder_view(image))
        mode = encode_images(vae, view, sample=False, scaled=False)
        return mode * self.config.radiograph_latent_scale

    def trained_conditions(
        self, latent: Tensor, normalised: Tensor, embedding: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The VAE's latent [B, 4, 32, 32] with the trained features appended, and the token, both from one pass.

        ``normalised`` is the result of the method ``normalised``, ``embedding`` that of ``embedding``; without the
        latter a network with CLIP returns no token.
        """
        token = None
        if self.config.feature_channels:
            features, token = self.features(normalised, places=latent.shape[-1])
            latent = torch.cat((latent, features.to(latent.dtype)), dim=1)
        if self.config.token_encoder == "convolutional":
            token = self.tokens(normalised)
        if self.config.token_encoder == "clip":
            token = None if embedding is None else self.projection(embedding)[:, None]
        return latent, None if self.config.token_encoder == "none" else token

    def autoencoder_view(self, image: Tensor) -> Tensor:
        """The VAE's input image [B, 1, 256, 256]: the crop itself, or the crop placed into the MR field."""
        image = self.normalised(image)
        if not self.config.field_placement:
            return image
        return place_in_field(
            image,
            span_px=round(self.config.span_mm / self.config.field_mm * image.shape[-1]),
            centre=(self.config.centre_row, self.config.centre_column),
        )

    def at_slice_size(self, images: Tensor) -> Tensor:
        """Images [B, 1, 256, 256] averaged down to ``slice_size``."""
        factor = OAI_FIELD.pixels // self.config.slice_size
        return functional.avg_pool2d(images, factor) if factor > 1 else images

    def normalised(self, image: Tensor) -> Tensor:
        """The crop, locally normalised if the configuration says so."""
        return local_normalisation(image, self.config.local_sigma_px) if self.config.local_normalisation else image


class _ConvolutionalTokens(nn.Module):
    """256 x 256 image -> strided convolutions -> 2 x 2 pooled features -> four tokens [B, 4, token_width]."""

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__()
        widths = (1, width, 2 * width, 4 * width, 6 * width, 8 * width)
        layers: list[nn.Module] = []
        for entering, leaving in pairwise(widths):
            layers += [nn.Conv2d(entering, leaving, 3, stride=2, padding=1), nn.GroupNorm(8, leaving), nn.SiLU()]
        layers += [nn.Conv2d(widths[-1], widths[-1], 3, padding=1), nn.GroupNorm(8, widths[-1]), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.project = nn.Linear(widths[-1], token_width)
        self.norm = nn.LayerNorm(token_width)

    def forward(self, image: Tensor) -> Tensor:
        features = functional.adaptive_avg_pool2d(self.trunk(image), 2)  # quadrants: inner/outer femur, tibia
        return self.norm(self.project(features.flatten(2).transpose(1, 2)))


def local_normalisation(image: Tensor, sigma_px: float) -> Tensor:
    """Half the local z-score of [B, 1, H, W] in [-1, 1], clipped to [-1, 1].

    Mean and standard deviation are Gaussian-weighted; 0.1 is added to the latter to avoid noise in flat regions.
    """
    mean = _gaussian_blur(image, sigma_px)
    variance = (_gaussian_blur(image.square(), sigma_px) - mean.square()).clamp(min=0)
    return (0.5 * (image - mean) / (variance.sqrt() + 0.1)).clamp(-1, 1)


def _gaussian_blur(image: Tensor, sigma_px: float) -> Tensor:
    radius = min(math.ceil(3 * sigma_px), min(image.shape[-2:]) - 1)
    distance = torch.arange(-radius, radius + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (distance / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).to(image.dtype)
    padded = functional.pad(image, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.reshape(1, 1, -1, 1))
    return functional.conv2d(rows, kernel.reshape(1, 1, 1, -1))


def place_in_field(image: Tensor, span_px: int, centre: tuple[float, float]) -> Tensor:
    """Shrink the image to span_px pixels and centre it at (row, column) on a canvas of zeros of its original size."""
    height, width = image.shape[-2:]
    top, left = round(centre[0] - span_px / 2), round(centre[1] - span_px / 2)
    if top < 0 or left < 0 or top + span_px > height or left + span_px > width:
        raise ValueError(f"A crop of {span_px} px with the centre {centre} exceeds the {height} x {width} field.")
    canvas = torch.zeros_like(image)
    canvas[..., top : top + span_px, left : left + span_px] = functional.interpolate(
        image, size=(span_px, span_px), mode="bilinear", align_corners=False, antialias=True
    )
    return canvas
