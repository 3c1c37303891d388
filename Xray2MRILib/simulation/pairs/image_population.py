"""Knees of image-based templates: the templates that ship, and pairs drawn from them one by one.

Nothing is kept but the template, so that training may draw knees that it has not seen before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ...files.atomic_write import writing_error
from ...files.resources import resource_path
from ..anatomy.image_template import ImageTemplate
from ..anatomy.multi_echo_template import IMAGE_TEMPLATE_VERSION, build_multi_echo_template
from ..mr.image_signal import PreparedTemplate, prepared
from .image_knee import ImageKnee, draw_image_knee, simulate_image_pair
from .knee_pair import KneePair
from .manifest import check_same_population, write_manifest
from .pair_store import pair_path, write_pair

_MAPS = ("*.nrrd", "*.npz")


def shipped_image_templates() -> list[Path]:
    """Folders with the tissue maps of real knees that ship with the package."""
    return [resource_path("anatomy/multi_echo_knee")]


def maps_hash(folder: Path) -> str:
    """Sixteen hexadecimal digits that change with any of the folder's maps."""
    digest = hashlib.sha256()
    for path in sorted(p for pattern in _MAPS for p in folder.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def load_image_template(folder: Path, cache: Path) -> ImageTemplate:
    """The template of the maps in ``folder``, built once (some two minutes) and kept in ``cache``.

    A kept template is used as long as the maps and ``IMAGE_TEMPLATE_VERSION`` are the same. Raises InputError for maps
    that are missing.
    """
    kept = cache / f"image-template-{folder.resolve().name}-{maps_hash(folder)}-{IMAGE_TEMPLATE_VERSION}.npz"
    if not kept.exists():
        template = build_multi_echo_template(folder)
        cache.mkdir(parents=True, exist_ok=True)
        template.save(kept)
    return ImageTemplate.load(kept)


def simulate_image_population(
    output: Path,
    count: int,
    *,
    seed: int = 0,
    first: int = 0,
    stride: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write pairs ``first, first + stride, ...`` below ``count`` into ``output``; pairs that exist are kept.

    Seeds, grades, resuming, manifest and table are those of ``simulate_population``; the record of each pair has two
    further entries, ``person`` and ``scan``. Raises InputError when the folder belongs to another population.
    """
    folders = shipped_image_templates()
    hashes = {folder.name: maps_hash(folder) for folder in folders}
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, output) from error
    check_same_population(output, seed, hashes)
    source = prepared(load_image_template(folders[0], output))
    write_manifest(output, seed, hashes)
    try:
        for index in range(first, count, stride):
            if not pair_path(output, index).exists():
                knee = draw_image_knee(seed + index, index % 5, source.template)
                more = {"person": knee.person.to_dict(), "scan": knee.scan.to_dict(), "shape_scores": knee.shape_scores}
                write_pair(output, index, simulate_image_pair(source, knee), more)
            if progress is not None:
                progress(index + 1, count)
    finally:
        write_manifest(output, seed, hashes)


def image_pairs(
    source: PreparedTemplate, count: int, *, seed: int = 0, first: int = 0
) -> Iterator[tuple[ImageKnee, KneePair]]:
    """Pairs ``first`` to ``first + count - 1``: knee k has seed ``seed + k`` and KL grade k mod 5."""
    for index in range(first, first + count):
        knee = draw_image_knee(seed + index, index % 5, source.template)
        yield knee, simulate_image_pair(source, knee)
