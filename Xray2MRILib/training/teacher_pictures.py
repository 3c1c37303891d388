"""Pictures that the teacher makes before its student learns from them; kept in files, so that a stop loses few."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..super_resolution.enhancement_network import EnhancementUNet
from ..super_resolution.residual_diffusion import sample_residual
from .data.scan_pairs import FineVolumes, ScanPictures
from .loop import step_generator
from .recipes.super_resolution_student import SuperResolutionStudentRecipe
from .super_resolution import draw

_FIRST_STEP = 20_000_000  # far from the steps of any run


@dataclass(frozen=True)
class TaughtPictures:
    """Scans and what the teacher makes of them, ``taught`` float32 [B, 1, H, W]."""

    scan: ScanPictures
    taught: Tensor

    def drawn(self, count: int, generator: torch.Generator) -> TaughtPictures:
        """``count`` random ones."""
        index = torch.randint(len(self.taught), (count,), generator=generator)
        parts = (self.scan.pictures, self.scan.scalars, self.scan.truth)
        return TaughtPictures(ScanPictures(*(part[index] for part in parts)), self.taught[index])


def teach(
    teacher: EnhancementUNet, volumes: FineVolumes, recipe: SuperResolutionStudentRecipe, output: Path
) -> TaughtPictures:
    """At least ``teacher_pictures`` pictures, one file for each batch in ``output``/taught; existing ones are read.

    The files' names hold a hash of teacher and recipe, so that another teacher begins anew.
    """
    from safetensors.torch import load_file, save_file

    folder = output / "taught"
    folder.mkdir(exist_ok=True)
    key = _key(teacher, volumes, recipe)
    batches = -(-recipe.teacher_pictures // (recipe.blocks * recipe.slices))
    found: list[dict[str, Tensor]] = []
    for k in range(batches):
        path = folder / f"{key}-{k:05d}.safetensors"
        if not path.exists():
            batch = draw(volumes, recipe, _FIRST_STEP + k)
            tensors = {
                "pictures": batch.pictures, "scalars": batch.scalars, "truth": batch.truth,
                "taught": _mean_sample(teacher, batch, recipe, k),
            }  # fmt: skip
            temporary = path.with_suffix(".tmp")
            save_file({name: tensor.half().contiguous() for name, tensor in tensors.items()}, temporary)
            os.replace(temporary, path)
            if (k + 1) % 10 == 0:
                print(f"the teacher made {(k + 1) * recipe.blocks * recipe.slices} pictures", flush=True)
        found.append(load_file(path))
    whole = {name: torch.cat([one[name] for one in found]).float() for name in found[0]}
    return TaughtPictures(ScanPictures(whole["pictures"], whole["scalars"], whole["truth"]), whole["taught"])


def _mean_sample(
    teacher: EnhancementUNet, batch: ScanPictures, recipe: SuperResolutionStudentRecipe, number: int
) -> Tensor:
    device = teacher.device
    generator = step_generator(recipe.seed + 2, number)
    total = torch.zeros_like(batch.truth)
    for _ in range(recipe.teacher_samples):
        noise = torch.randn(batch.truth.shape, generator=generator).to(device)
        residual = sample_residual(
            teacher, batch.pictures.to(device), batch.scalars.to(device), noise, recipe.teacher_steps
        )
        total += residual.cpu() * teacher.config["residual_scale"]
    return batch.interpolated + total / recipe.teacher_samples


def _key(teacher: EnhancementUNet, volumes: FineVolumes, recipe: SuperResolutionStudentRecipe) -> str:
    names = ("blocks", "slices", "tile", "guidance_missing", "teacher_samples", "teacher_steps", "seed")
    facts = [teacher.weights_sha256, [path.name for path in volumes.paths], [getattr(recipe, name) for name in names]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
