"""A population of simulated knees: deterministic by seed, balanced over KL grades, resumable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import InputError
from ...files.atomic_write import writing_error
from ...files.resources import resource_path
from ..anatomy.anatomy_template import AnatomyTemplate
from ..anatomy.knee_parameters import draw
from ..anatomy.label_map import label_map_hash, lacks_soft_tissue
from ..anatomy.template_building import TEMPLATE_VERSION, build_template
from .knee_pair import simulate_pair
from .manifest import check_same_population, write_manifest
from .pair_store import pair_path, write_pair

HELD_OUT_OFFSET = 1_000_000  # seeds of held-out knees start here, so they never meet a training seed


def load_templates(folders: list[Path], cache: Path) -> dict[str, AnatomyTemplate]:
    """Templates of the label map folders by folder name, built once and kept in ``cache``.

    A kept template is used only as long as label map and ``TEMPLATE_VERSION`` are the same. Maps without soft tissue
    get it from the shipped atlas. Raises InputError for two folders of one name and as ``read_label_map`` does.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise InputError("Two label map folders have the same name.", code="bad-label-map", hint="Rename one of them.")
    cache.mkdir(parents=True, exist_ok=True)
    return {name: _kept_template(name, folder, cache) for name, folder in zip(names, folders, strict=True)}


def _kept_template(name: str, folder: Path, cache: Path) -> AnatomyTemplate:
    kept = cache / f"template-{name}-{label_map_hash(folder)}-{TEMPLATE_VERSION}.npz"
    if not kept.exists():
        atlas_folder = shipped_label_maps()[0]
        if lacks_soft_tissue(folder) and label_map_hash(folder) != label_map_hash(atlas_folder):
            atlas = _kept_template(atlas_folder.name, atlas_folder, cache)
        else:
            atlas = None
        build_template(folder, atlas).save(kept)
    return AnatomyTemplate.load(kept)


def shipped_label_maps() -> list[Path]:
    """The label map folders that ship with the package; the first one has soft tissue."""
    return [resource_path("anatomy/spl_knee_atlas"), resource_path("anatomy/dess_knee")]


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
    stopped run goes on where it was. Manifest and table are written at the beginning and at the end, on an interrupt
    too. Raises InputError when the folder belongs to another population.
    """
    folders = label_maps or shipped_label_maps()
    hashes = {folder.resolve().name: label_map_hash(folder) for folder in folders}
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, output) from error
    check_same_population(output, seed, hashes)
    templates = load_templates(folders, output)
    widths = {name: t.plateau_mm[1] - t.plateau_mm[0] for name, t in templates.items()}
    write_manifest(output, seed, hashes)
    try:
        for index in range(first, count, stride):
            if not pair_path(output, index).exists():
                parameters = draw(seed + index, index % 5, tuple(sorted(templates)), widths)
                write_pair(output, index, simulate_pair(templates[parameters.template], parameters))
            if progress is not None:
                progress(index + 1, count)
    finally:
        write_manifest(output, seed, hashes)
