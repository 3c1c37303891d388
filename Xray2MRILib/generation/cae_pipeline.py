"""The CAE generator behind the same call as the model's own pipeline, so that every command can use it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from ..baselines.cae_generator import CaeGenerator
from ..conditions.koa_probabilities import KoaProbabilities
from ..device import choose_device
from ..files.json_files import write_json
from ..model_store.model_folder import CARD_FILE, INDEX_FILE, locate_model, read_card
from ..volume.geometry import depth_positions
from .pipeline import Xray2MRIPipeline

GENERATOR_FOLDER = "generator"


class CaePipeline(Xray2MRIPipeline):
    """One pass of the generator; depths between its slices are interpolated linearly.

    Takes the choices of Xray2MRIPipeline and heeds only the number of slices: steps, seed, sampler, noise, guidance and
    grade probabilities have nothing to act on here.
    """

    def __init__(self, generator: CaeGenerator) -> None:
        DiffusionPipeline.__init__(self)
        self.register_modules(generator=generator.eval())
        self.model_name = "unsaved"
        self.model_card: dict[str, Any] = {}
        self.weights_sha256: dict[str, str] = {}

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        device: str = "auto",
        torch_dtype: torch.dtype = torch.float32,
    ) -> CaePipeline:
        """Load a folder that ``save_pretrained`` wrote. Raises ProcessingError for missing or altered files."""
        folder = locate_model(model)
        generator = CaeGenerator.from_pretrained(folder / GENERATOR_FOLDER)
        pipeline = cls(generator.to(torch_dtype))
        pipeline.model_card = read_card(folder)
        pipeline.weights_sha256 = {"generator": generator.weights_sha256}
        pipeline.model_name = folder.name
        return pipeline.on_device(choose_device(device))

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
    def _encoded(self, picture: torch.Tensor, koa: KoaProbabilities) -> np.ndarray:
        """The volume [S, H, W] in [0, 1] of the picture, at the generator's own depths."""
        radiograph = picture[None].to(self.generator.device, self.generator.dtype)
        return ((self.generator.volume(radiograph)[0].float() + 1) / 2).clamp(0, 1).cpu().numpy()

    def _fill(
        self, slices: np.ndarray, indices: Sequence[int], sampling: Any, conditions: np.ndarray, batch_size: Any,
        progress: Any, should_cancel: Any, notes: list[str],
    ) -> None:  # fmt: skip
        places = (depth_positions(len(slices)) + 1) / 2 * (len(conditions) - 1)
        for index in indices:
            below = min(int(places[index]), len(conditions) - 2)
            share = np.float32(places[index] - below)
            slices[index] = (1 - share) * conditions[below] + share * conditions[below + 1]
            progress.slice(index, slices[index])
        if len(slices) != len(conditions):
            notes.append(f"This model makes {len(conditions)} slices; others are interpolated linearly between them.")

    def _grade(self, picture: torch.Tensor, notes: list[str]) -> KoaProbabilities:
        notes.append("This model does not ask for the grade of the knee; all five are noted as equally likely.")
        return KoaProbabilities.uniform()

    def _run_record(self, started: float, notes: list[str]) -> dict[str, Any]:
        return {
            "device": self.generator.device.type,
            "dtype": str(self.generator.dtype).removeprefix("torch."),
            "seconds": round(time.monotonic() - started, 3),
            "notes": notes,
        }


def is_cae(model: str | os.PathLike[str]) -> bool:
    """Whether a model's folder says that it holds a CAE generator."""
    try:
        return json.loads((Path(model) / INDEX_FILE).read_text(encoding="utf-8"))["_class_name"] == CaePipeline.__name__
    except (OSError, ValueError, KeyError, TypeError):
        return False
