"""A population of simulated knees: deterministic by seed, balanced over KL grades, resumable."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from ..resources import resource_path
from .anatomy_template import AnatomyTemplate
from .knee_pair import simulate_pair
from .knee_parameters import draw
from .pair_store import FORMAT_VERSION, pair_path, write_pair
from .template_building import build_template

HELD_OUT_OFFSET = 1_000_000  # seeds of held-out knees start here, so they never meet a training seed


def load_templates(folders: list[Path], cache: Path) -> dict[str, AnatomyTemplate]:
    """Templates of the label map folders, built once and kept in ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    templates = {}
    for folder in folders:
        kept = cache / f"template-{folder.name}.npz"
        if not kept.exists():
            build_template(folder).save(kept)
        templates[folder.name] = AnatomyTemplate.load(kept)
    return templates


def shipped_label_maps() -> list[Path]:
    """The label map folders that ship with the package."""
    return [resource_path("anatomy/spl_knee_atlas")]


def simulate_population(
    output: Path,
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    stride: int = 1,
    label_maps: list[Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write pairs ``first, first + stride, ...`` below ``count`` into ``output``; pairs that exist are kept.

    Pair k has seed ``seed + k`` and KL grade k mod 5, so several processes can share one folder by ``stride`` and a
    stopped run goes on where it was.
    """
    output.mkdir(parents=True, exist_ok=True)
    templates = load_templates(label_maps or shipped_label_maps(), output)
    widths = {name: t.plateau_mm[1] - t.plateau_mm[0] for name, t in templates.items()}
    manifest = output / "manifest.json"
    if not manifest.exists():
        temporary = output / f"manifest.{os.getpid()}.tmp"
        temporary.write_text(
            json.dumps({"format": FORMAT_VERSION, "seed": seed, "templates": sorted(templates)}, indent=1)
        )
        temporary.replace(manifest)
    for index in range(first, count, stride):
        if not pair_path(output, index).exists():
            parameters = draw(seed + index, index % 5, tuple(sorted(templates)), widths)
            write_pair(output, index, simulate_pair(templates[parameters.template], parameters))
        if progress is not None:
            progress(index + 1, count)
