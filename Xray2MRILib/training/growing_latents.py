"""Encoded knees of pairs that appear while a diffusion model learns: encoded between its steps and kept for later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from .data.growing_pairs import GrowingPairs, GrowingRows
from .data.pair_data import TOLD, KneeLatents, encoded_knee, map_in_processes, partner_rows, told_vector
from .data.training_knee import knee_seed, list_training_pairs
from .latent_cache import GROWN, grown_origin, knee_variants, load_grown, save_grown
from .recipes.diffusion import DiffusionRecipe

_AT_ONCE = 2  # pairs that are encoded between two steps


class GrowingLatents:
    """The encoded knees of a recipe with ``growing``: those that are there at the beginning, and what comes later.

    The knees that an earlier piece of the run encoded are read from its file. Raises InputError for such a file that
    does not fit, without any pair, and for a network with a CLIP tower, which is not there between two steps.
    """

    def __init__(
        self, recipe: DiffusionRecipe, output: Path, *, vae: nn.Module, encoder: nn.Module, cast: Any,
        device: torch.device,
    ) -> None:  # fmt: skip
        if encoder.config.token_encoder == "clip":
            raise InputError(
                "Pairs cannot come in later for a network with a CLIP token.",
                code="bad-recipe",
                hint="Simulate or prepare all pairs first, and let growing be false.",
                field="growing",
            )
        self._file = Path(recipe.latents or output) / GROWN
        self._folder, self._device = Path(recipe.data), device
        self._encoding: dict[str, Any] = {"vae": vae, "encoder": encoder, "cast": cast, "device": device}
        self._origin = grown_origin(recipe, vae, encoder)
        self._names: list[str] = []
        self._rows: GrowingRows | None = None
        self._same: dict[tuple[int, int], list[tuple[int, int]]] = {}  # variant and seed -> rows and their grades
        self._partners: list[int] = []
        self._on_device: torch.Tensor | None = None  # the partners, copied once for all steps until a pair comes
        self._has_partners = False
        work = _EveryVariant(knee_variants(recipe, encoder))
        if self._file.exists():
            knees, self._names = load_grown(self._file, self._folder, self._origin)
            rows = knees.to(device).tensors()
            rows.pop("partners", None)
            self._rows = GrowingRows(rows, (recipe.knees or 0) * recipe.variants)
            grades = knees.grades.reshape(-1, recipe.variants).tolist()
            for name, of_variants in zip(self._names, grades, strict=True):
                self._find_partners(name, of_variants)
        known = set(self._names)
        paths = [path for path in list_training_pairs(self._folder)[: recipe.knees] if path.name not in known]
        room = (recipe.knees or len(paths)) * recipe.variants
        for path, prepared in zip(paths, map_in_processes(work, paths, recipe.workers), strict=True):
            self._take_in(path.name, prepared, room)
        self._arrivals = GrowingPairs(self._folder, work, recipe.workers, self._names, recipe.knees)

    def __enter__(self) -> GrowingLatents:
        self._arrivals.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._arrivals.__exit__(kind, error, trace)

    def current(self) -> KneeLatents:
        """All knees so far, after some that have come were taken in."""
        for name, prepared in self._arrivals.take(_AT_ONCE):
            self._take_in(name, prepared, 0)
        return self._knees()

    def save(self) -> None:
        """Keep the knees for the next piece of the run and for a distillation."""
        save_grown(self._file, self._knees(), self._folder, self._names, self._origin)

    def _knees(self) -> KneeLatents:
        assert self._rows is not None  # there is a pair
        if self._on_device is None or len(self._on_device) != len(self._partners):
            self._on_device = torch.tensor(self._partners, device=self._device)
            self._has_partners = any(partner >= 0 for partner in self._partners)
        return KneeLatents(**self._rows.tensors(), partners=self._on_device if self._has_partners else None)

    def _find_partners(self, name: str, grades: list[int]) -> None:
        """Note the rows that a pair's variants have got, and whose partners they are."""
        seed = knee_seed(self._folder / name)
        for variant, grade in enumerate(grades):
            group = self._same.setdefault((variant, seed), [])
            group.append((len(self._partners), grade))
            self._partners.append(-1)
            found = partner_rows([seed] * len(group), [known for _, known in group])
            for (row, _), partner in zip(group, found, strict=True):
                self._partners[row] = group[partner][0] if partner >= 0 else -1

    def _take_in(self, name: str, prepared: list[tuple[Any, ...]], room: int) -> None:
        for volume, crops, grade, person in prepared:
            row = encoded_knee(volume, crops, grade, **self._encoding)
            row |= {told: told_vector(told, person) for told in TOLD if self._rows is not None or told in person}
            rows = {key: tensor[None].to(self._device) for key, tensor in row.items()}
            if self._rows is None:
                self._rows = GrowingRows(rows, room)
            else:
                self._rows.add(rows)
        self._names.append(name)
        self._find_partners(name, [int(grade) for _, _, grade, _ in prepared])


class _EveryVariant:
    """Prepares all variants of a pair, in another process."""

    def __init__(self, variants: list[Callable[[Path], tuple[Any, ...]]]) -> None:
        self._variants = variants

    def __call__(self, path: Path) -> list[tuple[Any, ...]]:
        return [prepare(path) for prepare in self._variants]
