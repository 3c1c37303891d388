"""Knees of image-based templates: the templates that ship, and pairs drawn from them one by one.

Nothing is kept but the template, so that training may draw knees that it has not seen before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ...files.resources import resource_path
from ..anatomy.image_template import ImageTemplate
from ..anatomy.multi_echo_template import IMAGE_TEMPLATE_VERSION, build_multi_echo_template
from ..mr.image_signal import PreparedTemplate, prepared
from .image_knee import ImageKnee, draw_image_knee, simulate_image_pair
from .knee_pair import KneePair

_MAPS = ("*.nrrd", "*.npz")


def shipped_image_templates() -> list[Path]:
    """Folders with the tissue maps of real knees that ship with the package."""
    return [resource_path("anatomy/multi_echo_knee")]


def load_image_template(folder: Path, cache: Path) -> ImageTemplate:
    """The template of the maps in ``folder``, built once (some two minutes) and kept in ``cache``.

    A kept template is used as long as the maps and ``IMAGE_TEMPLATE_VERSION`` are the same. Raises InputError for maps
    that are missing.
    """
    digest = hashlib.sha256()
    for path in sorted(p for pattern in _MAPS for p in folder.glob(pattern)):
        digest.update(path.read_bytes())
    kept = cache / f"image-template-{folder.resolve().name}-{digest.hexdigest()[:16]}-{IMAGE_TEMPLATE_VERSION}.npz"
    if not kept.exists():
        template = build_multi_echo_template(folder)
        cache.mkdir(parents=True, exist_ok=True)
        template.save(kept)
    return ImageTemplate.load(kept)


def image_pairs(
    source: PreparedTemplate, count: int, *, seed: int = 0, first: int = 0
) -> Iterator[tuple[ImageKnee, KneePair]]:
    """Pairs ``first`` to ``first + count - 1``: knee k has seed ``seed + k`` and KL grade k mod 5."""
    for index in range(first, first + count):
        knee = draw_image_knee(seed + index, index % 5, source.template)
        yield knee, simulate_image_pair(source, knee)


__all__ = ["image_pairs", "load_image_template", "prepared", "shipped_image_templates"]
