"""Pairs for the morphing model: a healthy and a severe radiograph in one frame.

Half of them are simulated: one knee at two grades. The others are two people's radiographs: of some random severe
ones that whose bone outlines come closest to the healthy one's, after a similarity that puts them onto each other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...baselines.morphing_loss import MorphingBatch
from ...errors import InputError
from ...files.json_files import write_json
from ...reprojection.frame_grid import SPAN_MM
from ...reprojection.knee_outline import JOINT_LINE, SIDES, KneeOutline
from ...reprojection.outline_distance import curve_distances
from ...reprojection.radiograph_outline import radiograph_outline
from ...reprojection.similarity import Similarity, fit_similarity
from ...volume.geometry import CROP_FRAME
from .graded_radiographs import GradedRadiographs, from_bytes, to_bytes

_EXPOSURES = 3
_FEWEST_POINTS = 60  # of an outline that is good enough to align by
JOINT_PLACES = 5  # along each compartment
_UNKNOWN = [-1.0] * (2 * 2 * JOINT_PLACES * 2)


@dataclass
class AlignedPairs:
    """Pairs of different people.

    Attributes
    ----------
    healthy, severe
        uint8 [N, 256, 256] and [M, 256, 256].
    partners
        int64 [N], the severe radiograph of each healthy one.
    maps
        float32 [N, 2, 3], from a place of the healthy crop to that of its partner, in units of half the crop.
    joints
        float32 [N, 2 sides, 2 bones, JOINT_PLACES, 2] (row, column) in pixels, the joint line of the healthy
        radiographs; NaN where no outline was found.
    """

    healthy: Tensor
    severe: Tensor
    partners: Tensor
    maps: Tensor
    joints: Tensor

    def __len__(self) -> int:
        return len(self.healthy)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Both radiographs [B, 1, 256, 256] in [-1, 1] of chosen pairs, the severe one moved onto the healthy one."""
        healthy = from_bytes(self.healthy[chosen])
        severe = from_bytes(self.severe[self.partners[chosen]])
        grid = functional.affine_grid(self.maps[chosen], list(severe.shape), align_corners=False)
        return healthy, functional.grid_sample(severe, grid, padding_mode="border", align_corners=False)


@dataclass
class SimulatedPairs:
    """Pairs of one knee: ``images`` uint8 [N, 2, 256, 256], healthy and severe under one exposure.

    ``surfaces`` float32 [N, 2, 2, 2, 3, 9, 2] are the pixels of its joint surfaces (``RadiographPair.placed_crops``),
    ``facts`` float32 [N, F] what becomes of the knee (``RadiographPair.facts``).
    """

    images: Tensor
    surfaces: Tensor
    facts: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Both radiographs [B, 1, 256, 256] in [-1, 1] of chosen pairs."""
        both = self.images[chosen]
        return from_bytes(both[:, 0]), from_bytes(both[:, 1])


def simulated_pairs(folder: Path, knees: int, seed: int) -> SimulatedPairs:
    """Pairs of ``knees`` simulated knees: those in ``folder``, and as many new ones from ``seed`` on as it lacks.

    A new knee takes some seconds.
    """
    from ...simulation.pairs.radiograph_pairs import (
        radiograph_pair_files,
        read_radiograph_pair,
        simulate_radiograph_pairs,
    )

    def report(done: int, of: int) -> None:
        print(f"simulated knee {done} of {of}", flush=True)

    paths = radiograph_pair_files(folder)
    if len(paths) < knees:
        simulate_radiograph_pairs(folder, knees, seed=seed, progress=report)
        paths = radiograph_pair_files(folder)
    images, surfaces, facts = [], [], []
    for path in paths[:knees]:
        pair = read_radiograph_pair(path)
        for exposure in range(_EXPOSURES):
            crops, places, _ = pair.placed_crops(exposure)
            images.append(to_bytes(crops))
            surfaces.append(places)
            facts.append(pair.facts())
    return SimulatedPairs(*(torch.from_numpy(np.stack(parts)) for parts in (images, surfaces, facts)))


def aligned_pairs(
    healthy: GradedRadiographs, severe: GradedRadiographs, candidates: int, seed: int, kept: Path | None = None
) -> AlignedPairs:
    """A severe partner for every healthy radiograph: the closest of ``candidates`` random ones.

    Healthy radiographs without usable outline are left out. ``kept`` is a file that keeps the result for a resumed run.
    Raises InputError when no radiograph of either kind has a usable outline.
    """
    wanted = {"healthy": len(healthy), "severe": len(severe), "candidates": candidates, "seed": seed, "joints": 1}
    found = _read_kept(kept, wanted)
    if found is None:
        found = _choose_partners(healthy, severe, candidates, seed)
        if kept is not None:
            write_json(kept, {"of": wanted, "pairs": found})
    if not found:
        raise InputError(
            "No radiograph of the training split shows the outlines of both bones.",
            code="bad-training-data",
            hint="The crops must show one knee each, from the front.",
            field="data",
        )
    indices = torch.tensor([pair[0] for pair in found], dtype=torch.long)
    maps = torch.tensor([pair[2] for pair in found], dtype=torch.float32).reshape(-1, 2, 3)
    partners = torch.tensor([pair[1] for pair in found], dtype=torch.long)
    joints = torch.tensor([pair[3] or _UNKNOWN for pair in found], dtype=torch.float32)
    joints = torch.where(joints < 0, torch.nan, joints).reshape(-1, 2, 2, JOINT_PLACES, 2)
    return AlignedPairs(healthy.images[indices], severe.images, partners, maps, joints)


def _read_kept(path: Path | None, wanted: dict[str, int]) -> list | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return None
    return record.get("pairs") if record.get("of") == wanted else None


def _choose_partners(
    healthy: GradedRadiographs, severe: GradedRadiographs, candidates: int, seed: int
) -> list[tuple[int, int, list[float], list[float]]]:
    rng = np.random.default_rng(seed)
    of_severe = {index: outline for index, outline in enumerate(_outlines(severe.images)) if outline is not None}
    found = []
    for index, outline in enumerate(_outlines(healthy.images)):
        if outline is None or not of_severe:
            continue
        drawn = rng.choice(list(of_severe), min(candidates, len(of_severe)), replace=False)
        fitted = [(partner, *_fit(outline, of_severe[int(partner)])) for partner in drawn]
        partner, similarity, _ = min(fitted, key=lambda entry: entry[2])
        found.append((index, int(partner), affine_map(similarity), joint_places(outline)))
    return found


def _fit(healthy: KneeOutline, severe: KneeOutline) -> tuple[Similarity, float]:
    """The similarity from one outline to the other, and the mean distance in mm that it leaves."""
    try:
        similarity = fit_similarity(healthy, severe)
    except ValueError:
        return Similarity(), float("inf")
    distances = curve_distances(similarity.transform(healthy), severe, SIDES | JOINT_LINE)
    return similarity, float(distances.mean()) if len(distances) else float("inf")


def _outlines(images: Tensor) -> list[KneeOutline | None]:
    outlines: list[KneeOutline | None] = []
    for image in images:
        outline = radiograph_outline(from_bytes(image[None])[0, 0].numpy())
        outlines.append(outline if sum(map(len, outline.curves.values())) >= _FEWEST_POINTS else None)
    return outlines


def affine_map(similarity: Similarity) -> list[float]:
    """The similarity (x, z) -> (x, z) in mm as six numbers, row by row, in units of half the crop (affine_grid)."""
    zero, right, down = similarity(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    columns: Sequence[np.ndarray] = (right - zero, down - zero, zero / (SPAN_MM / 2))
    return [float(column[row]) for row in (0, 1) for column in columns]


def joint_places(outline: KneeOutline) -> list[float]:
    """Pixels [2 sides, 2 bones, JOINT_PLACES, 2] (row, column) of both bones' outlines in the middle of each
    compartment, flattened; -1 for a compartment without."""
    found = np.full((2, 2, JOINT_PLACES, 2), np.nan)
    for side, name in enumerate(("medial", "lateral")):
        curves = [outline.curves.get(f"{bone} {name} joint") for bone in ("femur", "tibia")]
        if any(curve is None for curve in curves):
            continue
        femur, tibia = ({round(float(x), 2): float(z) for x, z in curve} for curve in curves if curve is not None)
        common = sorted(femur.keys() & tibia.keys())
        if len(common) < 4 * JOINT_PLACES:
            continue
        for place, share in enumerate(np.linspace(0.3, 0.7, JOINT_PLACES)):
            x = common[round(share * (len(common) - 1))]
            for bone, curve in enumerate((femur, tibia)):
                found[side, bone, place] = (curve[x], x)
    pixels = (found / SPAN_MM + 0.5) * CROP_FRAME.pixels - 0.5
    return np.nan_to_num(pixels, nan=-1.0).round(2).ravel().tolist()


def varied(batch: MorphingBatch, generator: torch.Generator) -> MorphingBatch:
    """The batch with both radiographs of each pair turned, scaled, moved and brightened alike, at random."""
    count, size = len(batch.healthy), batch.healthy.shape[-1]

    def draw(deviation: float) -> Tensor:
        return deviation * torch.randn(count, generator=generator).clamp(-2, 2)

    turn, scale = draw(0.04), torch.exp(draw(0.04))
    cosine, sine = scale * torch.cos(turn), scale * torch.sin(turn)
    matrix = torch.stack((cosine, -sine, draw(0.03), sine, cosine, draw(0.03)), dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(batch.healthy.shape), align_corners=False)
    power = torch.exp(draw(0.12))[:, None, None, None]

    def change(radiographs: Tensor) -> Tensor:
        moved = functional.grid_sample(radiographs, grid, padding_mode="border", align_corners=False)
        return 2 * ((moved + 1) / 2).clamp(0, 1) ** power - 1

    def move(places: Tensor | None, of: Tensor) -> Tensor | None:
        """A pixel that the grid looks up at p is seen where the map leads to p."""
        if places is None:
            return None
        flat = ((2 * places.flip(-1) + 1) / size - 1).reshape(len(places), -1, 2)  # (column, row)
        seen = torch.linalg.solve(of[:, None, :, :2], (flat - of[:, None, :, 2])[..., None])[..., 0]
        return (((seen + 1) * size - 1) / 2).reshape(places.shape).flip(-1)

    simulated = batch.simulated
    return MorphingBatch(
        change(batch.healthy), change(batch.severe), simulated, move(batch.surfaces, matrix[simulated]),
        batch.facts, move(batch.joints, matrix[~simulated]),
    )  # fmt: skip
