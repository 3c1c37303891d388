"""The paper's model: its networks on disk and in memory, and how they fill the slices of a volume."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..conditions.koa_probabilities import KoaProbabilities
from ..device import choose_device
from ..diffusion.batch_size import choose_batch_size
from ..diffusion.progress import LoopProgress, SliceProgress
from ..diffusion.radiograph_conditions import RadiographConditions
from ..diffusion.sampling_settings import SamplingSettings
from ..diffusion.schedule import check_schedule
from ..diffusion.slice_loop import predict, slice_loop
from ..model_store.model_folder import (
    load_components,
    locate_model,
    notes_on,
    read_checked_card,
    verify_model,
    write_model,
)
from ..models.conditional_unet import Xray2MRIUNet
from ..models.diffusers_parts import AutoencoderKL, DDIMScheduler
from ..models.folded_upsampling import fold_upsampling
from ..models.radiograph_encoder import RadiographEncoder
from ..volume.geometry import CROP_FRAME, depth_positions
from .condition_encoding import encode_conditions
from .volume_pipeline import VolumePipeline

if TYPE_CHECKING:
    import numpy as np


class Xray2MRIPipeline(VolumePipeline):
    """Pseudo-MRI volumes of the knee from one radiograph (Algorithm 2 of the paper).

    Parameters
    ----------
    autoencoder, unet, radiograph_encoder, scheduler
        As built by ``model_store.assembly.build_components`` or loaded by ``from_pretrained``.
    """

    def __init__(
        self,
        autoencoder: AutoencoderKL,
        unet: Xray2MRIUNet,
        radiograph_encoder: RadiographEncoder,
        scheduler: DDIMScheduler,
    ) -> None:
        super().__init__()
        check_schedule(scheduler)
        for network in (autoencoder, unet):
            fold_upsampling(network)
        self.register_modules(
            autoencoder=autoencoder, unet=unet, radiograph_encoder=radiograph_encoder, scheduler=scheduler
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] = "compact",
        *,
        device: str = "auto",
        torch_dtype: torch.dtype = torch.float32,
        precision: str = "fp32",
    ) -> Xray2MRIPipeline:
        """Load "compact" (shipped), a model folder, or a Hugging Face hub id; safetensors only.

        ``device`` is auto, cpu, cuda or mps; ``precision`` as for ``use_precision``.

        Raises InputError for an unknown model or device, ProcessingError for missing, truncated or altered files.
        """
        device = choose_device(device)
        folder = locate_model(model)
        checksums = verify_model(folder)
        pipeline = cls(**load_components(folder, torch_dtype))
        pipeline.model_card = read_checked_card(folder)
        pipeline.weights_sha256 = checksums
        pipeline.model_notes = notes_on(folder)
        pipeline.model_name = folder.name if Path(model).is_dir() else os.fspath(model)
        pipeline.on_device(device).use_precision(precision)
        return pipeline

    def trial(self) -> Callable[[], object]:
        """The U-Net on two slices of noise."""
        conditions = self.encode(torch.zeros(CROP_FRAME.shape), KoaProbabilities.uniform())
        noise = torch.randn(2, *conditions.latent.shape[1:])[:, : self.unet.config.out_channels].to(self.device)
        time, depths = torch.tensor(500, device=self.device), torch.zeros(2, device=self.device)
        return lambda: predict(self.unet, noise, time, depths, conditions)

    def on_device(self, device: str) -> Xray2MRIPipeline:
        """Move the networks to a device, in the memory layout that is fastest there."""
        self.to(device)
        # float32 convolutions on a CPU take up to five times as long in the default layout
        layout = torch.channels_last if device == "cpu" else torch.contiguous_format
        for network in (self.autoencoder, self.unet, self.radiograph_encoder):
            network.to(memory_format=layout)
        return self

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        half_precision: bool = False,
        eight_bit: bool = False,
        coarse: bool = False,
        card: dict[str, Any] | None = None,
    ) -> None:
        """Write the model in diffusers' folder layout, with checksums. ``card`` replaces the model's own card.

        Weights are stored in float32, in float16 with ``half_precision``, or in int8 with ``eight_bit``
        (models.eight_bit_weights), ``coarse`` for a model that is kept in git.
        """
        index = {key: value for key, value in self.config.items() if not key.startswith("_")}
        index |= {"_class_name": type(self).__name__, "_diffusers_version": self.config.get("_diffusers_version")}
        names = ("autoencoder", "unet", "radiograph_encoder", "scheduler")
        components = {name: getattr(self, name) for name in names}
        card = self.model_card if card is None else card
        write_model(
            Path(folder), components, index, card, half_precision=half_precision, eight_bit=eight_bit, coarse=coarse
        )

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the conditions that the U-Net was trained with."""
        return tuple(self.unet.config.condition_names)

    def encode(
        self, crop: torch.Tensor, koa: KoaProbabilities, told: Mapping[str, Any] | None = None
    ) -> RadiographConditions:
        """Latent, token and condition vectors of a crop [1, 256, 256] in [-1, 1] (E2 of the paper)."""
        return encode_conditions(self.autoencoder, self.radiograph_encoder, self.unet, crop, koa, told)

    def fill(
        self,
        slices: np.ndarray,
        indices: Sequence[int],
        conditions: RadiographConditions,
        sampling: SamplingSettings,
        progress: SliceProgress,
        *,
        batch_size: int | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Compute the slices [S, H, W] of the given depth indices in place; returns notes for the provenance."""
        notes: list[str] = []
        if not indices:
            return notes
        size = self.radiograph_encoder.config.slice_size
        if size < slices.shape[-1]:
            notes.append(f"The model generates slices of {size} x {size} pixels; they are enlarged for the volume.")
        assert sampling.num_inference_steps is not None  # ``for_model`` has set it
        loop = LoopProgress(progress, len(indices), sampling.num_inference_steps)
        fitting = choose_batch_size(
            self.unet, len(indices), latent_size=conditions.latent.shape[-1], precision=self.precision
        )
        for batch, images in slice_loop(
            self.unet,
            self.autoencoder,
            self.scheduler,
            conditions,
            depth_positions(len(slices))[list(indices)],
            sampling,
            batch_size=batch_size or fitting,
            on_step=loop.step,
            on_smaller_batch=lambda size: notes.append(
                f"Memory ran out; generation continued with {size} slice{'s' if size > 1 else ''} at a time."
            ),
            should_cancel=should_cancel or (lambda: False),
            precision=self.precision,
        ):
            for place, image in zip(batch, images.numpy(), strict=True):
                slices[indices[place]] = image
                progress.slice(indices[place], image)
            loop.finish(len(batch))
        return notes
