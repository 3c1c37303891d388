"""Training data of the autoencoder and the diffusion model: slices, radiographs and latents of pairs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...conditions.intensity_histogram import intensity_histogram
from ...conditions.registry import REGISTRY, encode_told, told_conditions
from ...device import begin_worker
from ...models.autoencoder import to_autoencoder_channels
from .training_knee import knee_seed, list_training_pairs, open_knee

TOLD = tuple(told_conditions(tuple(REGISTRY)))


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
    return torch.stack([torch.from_numpy(load_stored_volume(path)) for path in list_training_pairs(folder)[:count]])


def load_stored_volume(path: Path) -> np.ndarray:
    """MR volume of one pair, uint8 [50, 256, 256]."""
    return np.round(open_knee(path, radiograph=False).volume * 255).astype(np.uint8)


def exposed_crops(path: Path, exposures: int, seed: int) -> np.ndarray:
    """``exposures`` random exposures of one knee's joint crop, float32 [E, 256, 256] in [-1, 1]."""
    knee = open_knee(path, volume=False)
    return knee.exposed_crops(exposures, np.random.default_rng([seed, knee.seed]))


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
    age, sex, bmi, r
        Vectors of the conditions that a user may tell (``conditions.registry``), float32 [N, size]; None where no pair
        knows them.
    partners
        Row of the same knee at another grade, int64 [N], -1 where there is none; None where no knee has one.
    """

    mean: Tensor
    deviation: Tensor
    crops: Tensor
    radiograph_latents: Tensor
    histograms: Tensor
    grades: Tensor
    embeddings: Tensor | None = None
    age: Tensor | None = None
    sex: Tensor | None = None
    bmi: Tensor | None = None
    r: Tensor | None = None
    partners: Tensor | None = None

    def __len__(self) -> int:
        return len(self.grades)

    def to(self, device: torch.device) -> KneeLatents:
        """All of them in the memory of ``device`` (about 0.5 MB a knee), so that a step copies nothing to it."""
        return KneeLatents(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def told(self) -> dict[str, Tensor]:
        """Name -> vectors [N, size] of the conditions that a user may tell and that some pair knows."""
        return {name: tensor for name, tensor in self.tensors().items() if name in TOLD}

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor of all that is there."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    @classmethod
    def concatenate(cls, parts: list[KneeLatents]) -> KneeLatents:
        """Several sets as one."""
        found = [part.tensors() for part in parts]
        if any("partners" in tensors for tensors in found):
            places = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0).tolist()
            for part, tensors, first in zip(parts, found, places[:-1], strict=True):
                own = tensors.get("partners", torch.full_like(part.grades, -1))
                tensors["partners"] = torch.where(own < 0, own, own + first)
        everywhere = [name for name in found[0] if all(name in tensors for tensors in found)]
        return cls(**{name: torch.cat([tensors[name] for tensors in found]) for name in everywhere})


@torch.no_grad()
def encode_pairs(
    folder: Path, vae: torch.nn.Module, encoder: torch.nn.Module, exposures: int, seed: int, *,
    bend_mm: float | None = None, unreadable_share: float = 0.0, count: int | None = None,
    cast: Any = contextlib.nullcontext, device: torch.device | None = None, workers: int = 0,
) -> KneeLatents:  # fmt: skip
    """Encode every pair of ``folder`` (E1 on slices, E2's latent on ``exposures`` radiographs each).

    Pairs lie in the frame of the radiograph where the encoder places it in the field, else in that of the scan.
    ``bend_mm`` as in ``training_knee``; another ``seed`` then gives other knees. The slices of a knee are one
    batch; meanwhile ``workers`` processes prepare the next knees (see ``map_in_processes``). The result is in main
    memory.
    """
    device = device or torch.device("cpu")
    rows: dict[str, list[Tensor]] = {name: [] for name in KneeLatents.__dataclass_fields__}
    work = knee_preparation(encoder, exposures=exposures, seed=seed, bend_mm=bend_mm, unreadable_share=unreadable_share)
    people: list[dict[str, Any]] = []
    paths = list_training_pairs(folder)[:count]
    for volume, crops, grade, person in map_in_processes(work, paths, workers):
        people.append(person)
        for name, tensor in encoded_knee(
            volume, crops, grade, vae=vae, encoder=encoder, cast=cast, device=device
        ).items():
            rows[name].append(tensor)
    for name in TOLD:
        if any(name in person for person in people):  # one pair that knows it is enough
            rows[name] = [told_vector(name, person) for person in people]
    partners = partner_rows([knee_seed(path) for path in paths], [int(grade) for grade in rows["grades"]])
    if max(partners) >= 0:
        rows["partners"] = list(torch.tensor(partners))
    return KneeLatents(**{name: torch.stack(values) for name, values in rows.items() if values})


def partner_rows(seeds: Sequence[int], grades: Sequence[int]) -> list[int]:
    """For every knee the row of the same knee (the same seed) at the grade farthest from its own, -1 for none."""
    same: dict[int, list[int]] = {}
    for row, seed in enumerate(seeds):
        same.setdefault(seed, []).append(row)
    found = []
    for seed, grade in zip(seeds, grades, strict=True):
        distances = {row: abs(grades[row] - grade) for row in same[seed] if min(grade, grades[row]) >= 0}
        farthest = max(distances, key=distances.__getitem__, default=-1)
        found.append(farthest if distances.get(farthest) else -1)
    return found


def told_vector(name: str, person: Mapping[str, Any]) -> Tensor:
    """The vector of a condition that a user may tell, for what is known of a person."""
    return torch.tensor(encode_told([name], person)[name])


@torch.no_grad()
def encoded_knee(
    volume: np.ndarray, crops: np.ndarray, grade: int, *, vae: torch.nn.Module, encoder: torch.nn.Module, cast: Any,
    device: torch.device,
) -> dict[str, Tensor]:  # fmt: skip
    """One knee's row of ``KneeLatents`` in main memory, without what a user may tell.

    The volume is [50, 256, 256] in [0, 1], the crops are [E, 256, 256] in [-1, 1].
    """
    slices = torch.from_numpy(volume)[:, None].to(device) * 2 - 1
    shown = torch.from_numpy(crops)[:, None].to(device)
    with cast():
        entering = to_autoencoder_channels(encoder.at_slice_size(slices).contiguous(), vae.config.in_channels)
        posterior = vae.encode(entering.to(memory_format=torch.channels_last)).latent_dist
        latent = encoder.autoencoder_latent(vae, shown)
    seen = ((encoder.normalised(shown)[:, 0] + 1) * 127.5).round().to(torch.uint8).cpu()
    embedding = encoder.embedding(shown)  # in full precision, as in sampling
    row = {} if embedding is None else {"embeddings": embedding.float().cpu()}
    return row | {
        "mean": posterior.mean.half().cpu().contiguous(),
        "deviation": posterior.std.float().mean(dim=(2, 3)).half().cpu(),
        "crops": seen,
        "radiograph_latents": latent.half().cpu().contiguous(),
        "histograms": torch.from_numpy(np.stack([intensity_histogram(c) for c in shown.cpu().numpy()])),
        "grades": torch.tensor(grade),
    }


def knee_preparation(
    encoder: torch.nn.Module, *, exposures: int, seed: int, bend_mm: float | None, unreadable_share: float
) -> Callable[[Path], tuple[np.ndarray, np.ndarray, int, dict[str, Any]]]:
    """What makes volume, radiographs, KL grade and person of a pair file, for another process to do."""
    return partial(
        _prepared_knee, exposures=exposures, seed=seed, bend_mm=bend_mm, unreadable_share=unreadable_share,
        placed=bool(encoder.config.field_placement),
    )  # fmt: skip


def _prepared_knee(
    path: Path, *, exposures: int, seed: int, bend_mm: float | None, unreadable_share: float, placed: bool
) -> tuple[np.ndarray, np.ndarray, int, dict[str, Any]]:
    """Volume, radiographs, KL grade (-1 when unknown) and what is told of the person, drawn from the seed and the
    knee's own."""
    knee = open_knee(path)
    rng = np.random.default_rng([seed, knee.seed])
    arranged = knee.in_radiograph_frame if placed else knee.in_scan_frame
    grade = -1 if knee.kl_grade is None else knee.kl_grade
    shown = arranged(exposures, rng, bend_mm=bend_mm, unreadable_share=unreadable_share)
    return *shown, grade, dict(knee.person)


def soft_grades(grades: Tensor, generator: torch.Generator | None) -> Tensor:
    """KOA probabilities [B, 5] as a real classifier would give them for known grades [B]: peaked, at times off by one.

    Logits fall with the distance from the grade at a random rate, with Gaussian noise. ``generator`` is one of the
    device that the grades lie on. A grade of -1 is unknown: all five are equally likely.
    """
    device = grades.device
    distance = (torch.arange(5, device=device) - grades[:, None]).abs().float()
    rate = 0.7 + 2.5 * torch.rand(len(grades), 1, generator=generator, device=device)
    noise = 0.7 * torch.randn(len(grades), 5, generator=generator, device=device)
    soft = torch.softmax(-rate * distance + noise, dim=1)
    return torch.where((grades < 0)[:, None], torch.full_like(soft, 1 / soft.shape[1]), soft)


def reader_grades(grades: Tensor, generator: torch.Generator | None) -> Tensor:
    """KOA probabilities [B, 5] as a reader's grade [B] gives them: a share below 0.1 lies beside the grade.

    As ``KoaProbabilities.reader`` with a random ``smear``. A grade of -1 is unknown: all five are equally likely.
    """
    device = grades.device
    smear = 0.1 * torch.rand(len(grades), 1, generator=generator, device=device)
    distance = (torch.arange(5, device=device) - grades[:, None]).abs()
    beside = (distance == 1).float()
    sharp = (distance == 0) * (1 - smear) + beside * smear / beside.sum(1, keepdim=True).clamp(min=1)
    return torch.where((grades < 0)[:, None], torch.full_like(sharp, 1 / sharp.shape[1]), sharp)
