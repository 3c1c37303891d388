"""What the autoencoder learns from: slices and radiographs of pairs, in the device's memory; with time maybe more."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from ..recipes.autoencoder import AutoencoderRecipe
from .growing_pairs import GrowingPairs, GrowingRows
from .pair_data import exposed_crops, load_stored_volume, map_in_processes
from .training_knee import list_training_pairs

_AT_ONCE = 4  # pairs that are taken in between two steps


class PictureSet:
    """Slices and radiographs of the pairs of a recipe; with ``growing`` those that appear later come in too.

    It holds 3.3 MB per pair. Raises InputError when there is no pair.
    """

    def __init__(self, recipe: AutoencoderRecipe, encoder: torch.nn.Module, device: torch.device) -> None:
        self._encoder = encoder
        paths = list_training_pairs(Path(recipe.data))[: recipe.knees]
        work = partial(_volume_and_crop, seed=recipe.seed)
        self._rows: GrowingRows | None = None
        self._arrivals: GrowingPairs | None = None
        found = [self._row(*prepared) for prepared in map_in_processes(work, paths, recipe.workers)]
        self._first = {name: torch.stack([row[name] for row in found]).to(device) for name in found[0]}
        if recipe.growing:
            names = [path.name for path in paths]
            self._rows = GrowingRows(self._first, recipe.knees or len(paths))
            self._arrivals = GrowingPairs(Path(recipe.data), work, recipe.workers, names, recipe.knees)
            self._first = {}

    def __enter__(self) -> PictureSet:
        if self._arrivals is not None:
            self._arrivals.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._arrivals is not None:
            self._arrivals.__exit__(kind, error, trace)

    def current(self) -> tuple[Tensor, Tensor]:
        """Slices, uint8 [N, 50, 256, 256], and a radiograph per knee as E2 shows it to the autoencoder,
        uint8 [N, 1, 256, 256]. Takes in what has come."""
        if self._rows is None or self._arrivals is None:
            return self._first["volumes"], self._first["radiographs"]
        for _, prepared in self._arrivals.take(_AT_ONCE):
            self._rows.add({name: tensor[None] for name, tensor in self._row(*prepared).items()})
        found = self._rows.tensors()
        return found["volumes"], found["radiographs"]

    def _row(self, volume: np.ndarray, crops: np.ndarray) -> dict[str, Tensor]:
        with torch.no_grad():
            view = self._encoder.autoencoder_view(torch.from_numpy(crops)[:, None])[0]
        return {"volumes": torch.from_numpy(volume), "radiographs": ((view + 1) * 127.5).round().to(torch.uint8)}


def _volume_and_crop(path: Path, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return load_stored_volume(path), exposed_crops(path, 1, seed)
