"""The CAE generator as a VolumePipeline, so that every command can use it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..baselines.cae_generator import CaeGenerator
from ..conditions.koa_probabilities import KoaProbabilities
from ..device import choose_device
from ..diffusion.precision import autocast
from ..diffusion.progress import SliceProgress
from ..diffusion.sampling_settings import SamplingSettings
from ..files.json_files import write_json
from ..model_store.model_folder import CARD_FILE, INDEX_FILE, locate_model, read_card
from ..volume.geometry import CROP_FRAME, depth_positions
from .volume_pipeline import VolumePipeline

GENERATOR_FOLDER = "generator"


class CaePipeline(VolumePipeline):
    """One pass of the generator; depths between its slices are interpolated linearly.

    It accepts the settings of every VolumePipeline but uses only the number of slices. Steps, seed, sampler, noise,
    guidance and grade probabilities have no effect.
    """

    uses_grades = False

    def __init__(self, generator: CaeGenerator) -> None:
        super().__init__()
        self.register_modules(generator=generator.eval())

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        device: str = "auto",
        torch_dtype: torch.dtype = torch.float32,
        precision: str = "fp32",
    ) -> CaePipeline:
        """Load a folder that ``save_pretrained`` wrote, for ``use_precision``.

        Raises ProcessingError for missing or altered files.
        """
        folder = locate_model(model)
        generator = CaeGenerator.from_pretrained(folder / GENERATOR_FOLDER)
        pipeline = cls(generator.to(torch_dtype))
        pipeline.model_card = read_card(folder)
        pipeline.weights_sha256 = {"generator": generator.weights_sha256}
        pipeline.model_name = folder.name
        pipeline.on_device(choose_device(device)).use_precision(precision)
        return pipeline

    def trial(self) -> Callable[[], object]:
        """The generator on an empty crop."""
        radiograph = torch.zeros(1, *CROP_FRAME.shape, device=self.generator.device, dtype=self.generator.dtype)
        return lambda: self.generator.volume(radiograph)

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, half_precision: bool = True, eight_bit: bool = False,
        card: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Write the model; always in half precision."""
        folder = Path(folder)
        self.generator.save_pretrained(folder / GENERATOR_FOLDER)
        write_json(folder / CARD_FILE, self.model_card if card is None else card)
        write_json(folder / INDEX_FILE, {"_class_name": type(self).__name__})

    def on_device(self, device: str) -> CaePipeline:
        """Move the network to a device."""
        self.generator.to(device)
        return self

    @torch.inference_mode()
    def encode(self, crop: torch.Tensor, koa: KoaProbabilities, told: Mapping[str, Any] | None = None) -> np.ndarray:
        """The volume [S, H, W] in [0, 1] for the crop, at the generator's own depths."""
        radiograph = crop[None].to(self.generator.device, self.generator.dtype)
        with autocast(self.precision, self.generator.device):
            volume = self.generator.volume(radiograph)[0]
        return ((volume.float() + 1) / 2).clamp(0, 1).cpu().numpy()

    def fill(
        self,
        slices: np.ndarray,
        indices: Sequence[int],
        conditions: np.ndarray,
        sampling: SamplingSettings,
        progress: SliceProgress,
        *,
        batch_size: int | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Interpolate the slices of the given depth indices in place; returns notes for the provenance."""
        places = (depth_positions(len(slices)) + 1) / 2 * (len(conditions) - 1)
        for index in indices:
            below = min(int(places[index]), len(conditions) - 2)
            share = np.float32(places[index] - below)
            slices[index] = (1 - share) * conditions[below] + share * conditions[below + 1]
            progress.slice(index, slices[index])
        if len(slices) == len(conditions):
            return []
        return [f"This model makes {len(conditions)} slices; others are interpolated linearly between them."]


def is_cae(model: str | os.PathLike[str]) -> bool:
    """Whether a model folder contains a CAE generator."""
    try:
        return json.loads((Path(model) / INDEX_FILE).read_text(encoding="utf-8"))["_class_name"] == CaePipeline.__name__
    except (OSError, ValueError, KeyError, TypeError):
        return False
