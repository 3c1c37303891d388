"""Training data of the autoencoder and the diffusion model: slices, radiographs and latents of simulated pairs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...conditions.intensity_histogram import intensity_histogram
from ...device import begin_worker
from ...models.autoencoder import to_autoencoder_channels
from ...preparation.joint_crop import normalise_crop
from ...simulation.pairs.crop_frame import (
    coronal_bend,
    crop_in_frame,
    nominal_frame,
    varied_frame,
    volume_in_frame,
)
from ...simulation.pairs.knee_pair import KneePair
from ...simulation.pairs.pair_store import list_pairs, read_pair
from ...simulation.radiograph.appearance import expose, joint_crop
from ...volume.geometry import CROP_FRAME
from .unreadable_radiographs import hide_grade


def map_in_processes(work: Callable[[Path], Any], paths: list[Path], workers: int) -> Iterator[Any]:
    """``work`` of every path, in order, in ``workers`` other processes; 0 does it here. The results are the same.

    A GPU encodes a knee in a fraction of the time that one processor core takes to read and bend it.
    """
    if not workers:
        yield from map(work, paths)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, get_context("spawn"), begin_worker) as pool:
        for start in range(0, len(paths), 4 * workers):  # a few at a time, because a volume takes 13 MB
            yield from pool.map(work, paths[start : start + 4 * workers])


def load_volumes(folder: Path, count: int | None = None) -> Tensor:
    """MR volumes of the first ``count`` pairs, uint8 [N, 50, 256, 256], posterior slice first."""
    return torch.stack([torch.from_numpy(load_stored_volume(path)) for path in list_pairs(folder)[:count]])


def load_stored_volume(path: Path) -> np.ndarray:
    """MR volume of one pair, uint8 [50, 256, 256]."""
    return np.round(read_pair(path, radiograph=False).volume * 255).astype(np.uint8)


def exposed_crops(path: Path, exposures: int, seed: int) -> np.ndarray:
    """``exposures`` random exposures of one simulated knee's joint crop, float32 [E, 256, 256] in [-1, 1]."""
    pair = read_pair(path, volume=False)
    rng = np.random.default_rng([seed, pair.parameters.seed])
    return np.stack(
        [
            normalise_crop(joint_crop(expose(pair.bone, pair.soft, rng), pair.parameters, rng)).reshape(
                CROP_FRAME.shape[1:]
            )
            for _ in range(exposures)
        ]
    )


def pair_in_radiograph_frame(
    pair: KneePair, exposures: int, rng: np.random.Generator, *, bend_mm: float | None, unreadable_share: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Volume [50, 256, 256] in [0, 1] and exposures of the crop [E, 256, 256] in [-1, 1] in one frame.

    ``bend_mm`` is the largest standard deviation of a random bend of both (see crop_frame), drawn with a jittered
    crop; None takes knee and crop as they were simulated. On ``unreadable_share`` of the radiographs the grade cannot
    be read (unreadable_radiographs.py).
    """
    if bend_mm is None:
        frame, bend = nominal_frame(pair), None
    else:
        frame, bend = varied_frame(pair, rng), coronal_bend(rng, bend_mm * float(rng.random()))
    crops = []
    for _ in range(exposures):
        crop = crop_in_frame(expose(pair.bone, pair.soft, rng), frame, bend)
        if bend_mm is not None and rng.random() < 0.3:  # a radiograph that ends within the crop
            half = len(crop) / 2
            crop = crop[np.clip(np.arange(len(crop)), *(half + half * rng.uniform(0.6, 0.98, 2) * (-1, 1))).astype(int)]
        if unreadable_share and rng.random() < unreadable_share:
            crop = hide_grade(crop, rng)
        crops.append(normalise_crop(crop).reshape(CROP_FRAME.shape[1:]))
    return volume_in_frame(pair, frame, bend), np.stack(crops)


@dataclass
class KneeLatents:
    """All that a diffusion step needs, encoded once because E1 is frozen.

    Attributes
    ----------
    mean
        Posterior mean of every slice, float16 [N, 50, C, 32, 32], unscaled; 16 x 16 places at half the resolution.
    deviation
        Posterior standard deviation, averaged over each slice, float16 [N, 50, C].
    crops
        Exposures of the radiograph as the encoder normalises them, uint8 [N, E, 256, 256] (0..255 for [-1, 1]).
    radiograph_latents
        Their latents, float16 [N, E, C, 32, 32], or with 16 x 16 places.
    histograms
        float32 [N, E, 64].
    grades
        KL grade, int64 [N].
    embeddings
        CLIP's embeddings of the radiographs, float32 [N, E, 768]; None where the model has no CLIP.
    """

    mean: Tensor
    deviation: Tensor
    crops: Tensor
    radiograph_latents: Tensor
    histograms: Tensor
    grades: Tensor
    embeddings: Tensor | None = None

    def __len__(self) -> int:
        return len(self.grades)

    def to(self, device: torch.device) -> KneeLatents:
        """All of them in the memory of ``device`` (about 0.5 MB a knee), so that a step copies nothing to it."""
        return KneeLatents(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor of all that is there."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    @classmethod
    def concatenate(cls, parts: list[KneeLatents]) -> KneeLatents:
        """Several sets as one."""
        found = [part.tensors() for part in parts]
        everywhere = [name for name in found[0] if all(name in tensors for tensors in found)]
        return cls(**{name: torch.cat([tensors[name] for tensors in found]) for name in everywhere})


@torch.no_grad()
def encode_pairs(
    folder: Path, vae: torch.nn.Module, encoder: torch.nn.Module, exposures: int, seed: int, *,
    bend_mm: float | None = None, unreadable_share: float = 0.0, count: int | None = None,
    cast: Any = contextlib.nullcontext, device: torch.device | None = None, workers: int = 0,
) -> KneeLatents:  # fmt: skip
    """Encode every pair of ``folder`` in its radiograph's frame (E1 on slices, E2's latent on ``exposures`` radiographs
    each).

    ``bend_mm`` as in pair_in_radiograph_frame; another ``seed`` then gives other knees. The slices of a knee are one
    batch; meanwhile ``workers`` processes prepare the next knees (see ``map_in_processes``). The result is in main
    memory.
    """
    device = device or torch.device("cpu")
    rows: dict[str, list[Tensor]] = {name: [] for name in KneeLatents.__dataclass_fields__}
    work = partial(
        _knee_in_radiograph_frame,
        exposures=exposures,
        seed=seed,
        bend_mm=bend_mm,
        unreadable_share=unreadable_share,
    )
    for volume, crops, grade in map_in_processes(work, list_pairs(folder)[:count], workers):
        slices = torch.from_numpy(volume)[:, None].to(device) * 2 - 1
        crops = torch.from_numpy(crops)[:, None].to(device)
        with cast():
            entering = to_autoencoder_channels(encoder.at_slice_size(slices).contiguous(), vae.config.in_channels)
            posterior = vae.encode(entering.to(memory_format=torch.channels_last)).latent_dist
            latent = encoder.autoencoder_latent(vae, crops)
        seen = ((encoder.normalised(crops)[:, 0] + 1) * 127.5).round().to(torch.uint8).cpu()
        embedding = encoder.embedding(crops)  # in full precision, as in sampling
        if embedding is not None:
            rows["embeddings"].append(embedding.float().cpu())
        rows["mean"].append(posterior.mean.half().cpu().contiguous())
        rows["deviation"].append(posterior.std.float().mean(dim=(2, 3)).half().cpu())
        rows["crops"].append(seen)
        rows["radiograph_latents"].append(latent.half().cpu().contiguous())
        rows["histograms"].append(torch.from_numpy(np.stack([intensity_histogram(c) for c in crops.cpu().numpy()])))
        rows["grades"].append(torch.tensor(grade))
    return KneeLatents(**{name: torch.stack(values) for name, values in rows.items() if values})


def _knee_in_radiograph_frame(
    path: Path, *, exposures: int, seed: int, bend_mm: float | None, unreadable_share: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Volume and radiographs of ``pair_in_radiograph_frame`` and the KL grade, drawn from the seed and the knee's
    own."""
    pair = read_pair(path)
    rng = np.random.default_rng([seed, pair.parameters.seed])
    shown = pair_in_radiograph_frame(pair, exposures, rng, bend_mm=bend_mm, unreadable_share=unreadable_share)
    return *shown, pair.parameters.kl_grade


def soft_grades(grades: Tensor, generator: torch.Generator | None) -> Tensor:
    """KOA probabilities [B, 5] as a real classifier would give them for known grades [B]: peaked, at times off by one.

    Logits fall with the distance from the grade at a random rate, with Gaussian noise. ``generator`` is one of the
    device that the grades lie on.
    """
    device = grades.device
    distance = (torch.arange(5, device=device) - grades[:, None]).abs().float()
    rate = 0.7 + 2.5 * torch.rand(len(grades), 1, generator=generator, device=device)
    noise = 0.7 * torch.randn(len(grades), 5, generator=generator, device=device)
    return torch.softmax(-rate * distance + noise, dim=1)
