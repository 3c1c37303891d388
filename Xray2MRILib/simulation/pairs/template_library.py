"""The templates of a population: every outline with every soft tissue that can be lent to it.

Outlines ship in ``Resources/anatomy/templates``. Soft tissue, maps and what a user brings are built once and kept in
the user's cache. A template is put together when a knee asks for it for the first time and kept there too,
as arrays that all processes map into memory; the last one stays prepared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import InputError, ProcessingError
from ...files.array_cache import digest_of, kept_arrays, kept_file, user_cache
from ...files.resources import resource_path
from ..anatomy.assembled_template import code_digest, from_arrays, to_arrays
from ..anatomy.image_template import ImageTemplate
from ..anatomy.label_map import label_map_hash, lacks_soft_tissue
from ..anatomy.label_map_donor import build_label_map_donor
from ..anatomy.lent_soft_tissue import Donor, lend
from ..anatomy.multi_echo_joint import JOINT_LABELS, REGISTERED
from ..anatomy.multi_echo_template import IMAGE_TEMPLATE_VERSION, build_multi_echo_template
from ..anatomy.outline import Outline, build_outline, outline_of
from ..anatomy.outline_registration import SoftTissueMap, register
from ..anatomy.template_files import load_donor, load_map, load_outline, save_donor, save_map, save_outline
from ..mr.image_signal import PreparedTemplate, prepared

OUTLINE_VERSION = 1  # raise it whenever the same label map would give another outline, map or lent template
MULTI_ECHO = "multi_echo_knee"
LABEL_MAPS = ("spl_knee_atlas", "dess_knee", "mskt_right_knee", "mskt_left_knee")
SHIPPED = "anatomy/templates"
ASSEMBLED = "assembled"  # within the cache
# Of soft tissue: the measured one holds septa, fascia and lobules that label maps do not have.
MULTI_ECHO_SHARE = 0.65


@dataclass(frozen=True)
class TemplateChoice:
    """Whose bones, cartilage and menisci, and whose soft tissue."""

    outline: str
    soft_tissue: str

    @property
    def name(self) -> str:
        """What parameters and captions call the template."""
        return self.outline if self.outline == self.soft_tissue else f"{self.outline}+{self.soft_tissue}"


class TemplateLibrary:
    """Templates of the knees that ship, or of a user's label maps with soft tissue of the knees that ship."""

    def __init__(self, label_maps: list[Path] | None = None, cache: Path | None = None) -> None:
        self.cache = cache or user_cache()
        folders = label_maps or [resource_path(f"anatomy/{name}") for name in LABEL_MAPS]
        names = [folder.resolve().name for folder in folders]
        if len(set(names)) < len(names) or MULTI_ECHO in names:
            raise InputError(
                "Two label map folders have the same name.", code="bad-label-map", hint="Rename one of them."
            )
        self.folders = dict(zip(names, folders, strict=True))
        self.hashes = {name: label_map_hash(folder) for name, folder in self.folders.items()}
        if label_maps is None:
            self.hashes[MULTI_ECHO] = multi_echo_hash()
        self.own_soft_tissue = {name: not lacks_soft_tissue(folder) for name, folder in self.folders.items()}
        self._last: tuple[TemplateChoice, PreparedTemplate] | None = None
        self.outlines = (*([MULTI_ECHO] if label_maps is None else []), *self.folders)

    def donors(self, outline: str) -> tuple[str, ...]:
        """Whose soft tissue ``outline`` may have, the multi-echo knee's first."""
        lending = [name for name, own in self.own_soft_tissue.items() if own]
        return (MULTI_ECHO, *lending)

    def choices(self) -> list[TemplateChoice]:
        """All combinations."""
        return [TemplateChoice(o, d) for o in self.outlines for d in self.donors(o)]

    def draw(self, seed: int) -> TemplateChoice:
        """The template of one knee."""
        rng = np.random.default_rng([seed, 67])
        outline = self.outlines[int(rng.integers(len(self.outlines)))]
        first, *others = self.donors(outline)
        lent = rng.random() >= MULTI_ECHO_SHARE
        return TemplateChoice(outline, str(rng.choice(others)) if lent and others else first)

    def template(self, choice: TemplateChoice) -> ImageTemplate:
        """The template of ``choice``: a second, ten when no process needed it before.

        It takes some minutes more where its parts are not kept yet, see ``missing``.
        """
        template = self.template_unless_awaited(choice, wait=True)
        assert template is not None  # it was waited for
        return template

    def template_unless_awaited(self, choice: TemplateChoice, *, wait: bool = False) -> ImageTemplate | None:
        """The template of ``choice``, or without ``wait`` None while another process puts it together."""
        if not all(path.exists() for path in self.parts(choice)):
            self.build(choice)
        arrays = kept_arrays(
            self.cache / ASSEMBLED, choice.name, _digest(tuple(self.parts(choice))),
            lambda: to_arrays(self.assemble(choice)), wait=wait,
        )  # fmt: skip
        return None if arrays is None else from_arrays(arrays)

    def assemble(self, choice: TemplateChoice) -> ImageTemplate:
        """Put the template of ``choice`` together from its parts."""
        if choice.outline == choice.soft_tissue:
            return self._donor(choice.soft_tissue).template
        outline = self._outline(choice.outline)
        donor = self._donor(choice.soft_tissue)
        return lend(outline, donor, self._map(choice), choice.name)

    def prepared(self, choice: TemplateChoice) -> PreparedTemplate:
        """``template`` ready for its knees; the last one is kept."""
        source = self.prepared_unless_awaited(choice, wait=True)
        assert source is not None  # it was waited for
        return source

    def prepared_unless_awaited(self, choice: TemplateChoice, *, wait: bool = False) -> PreparedTemplate | None:
        """``prepared``, or without ``wait`` None while another process puts the template together."""
        if self._last is None or self._last[0] != choice:
            template = self.template_unless_awaited(choice, wait=wait)
            if template is None:
                return None
            self._last = None  # the earlier one leaves the memory before the next one comes
            self._last = (choice, prepared(template))
        return self._last[1]

    def parts(self, choice: TemplateChoice) -> list[Path]:
        """Files that ``choice`` is put together from, whether they exist or not."""
        names = [self._soft_tissue_file(choice.soft_tissue)]
        if choice.outline != choice.soft_tissue:
            names.append(self._map_file(choice))
            own = choice.outline
            names.append(self._soft_tissue_file(own) if own == MULTI_ECHO else self._outline_file(own))
        return [self._kept(name) for name in names]

    def missing(self) -> list[Path]:
        """Parts of all templates that are neither shipped nor kept: a template builds them when it is first needed."""
        wanted = {path for choice in self.choices() for path in self.parts(choice)}
        return sorted(path for path in wanted if not path.exists())

    def build(self, choice: TemplateChoice) -> None:
        """Build and keep the parts of ``choice`` that are missing (seconds to minutes)."""
        self._find_writable_cache()
        self._donor(choice.soft_tissue)
        if choice.outline != choice.soft_tissue:
            self._map(choice)

    def _find_writable_cache(self) -> None:
        """Where the cache cannot be written, parts lie in a temporary folder as long as this library exists."""
        with contextlib.suppress(OSError):
            self.cache.mkdir(parents=True, exist_ok=True)
        if not os.access(self.cache, os.W_OK):
            self.cache = Path(tempfile.mkdtemp(prefix="xray2mri-templates-"))
            weakref.finalize(self, shutil.rmtree, self.cache, ignore_errors=True)

    def _outline(self, name: str) -> Outline:
        if name == MULTI_ECHO:
            donor = self._donor(name)
            return outline_of(donor.template, donor.bones)
        path = self._kept(self._outline_file(name))
        return load_outline(kept_file(path, lambda new: save_outline(build_outline(self.folders[name]), new)))

    def _donor(self, name: str) -> Donor:
        def write(path: Path) -> None:
            if name == MULTI_ECHO:
                built = Donor(build_multi_echo_template(resource_path(f"anatomy/{name}")), bare_cortex=True)
            else:
                around = self.assemble(TemplateChoice(name, MULTI_ECHO))
                around.anatomy.name = name
                built = build_label_map_donor(self.folders[name], around)
            save_donor(built, path)

        return _loaded_donor(kept_file(self._kept(self._soft_tissue_file(name)), write))

    def _map(self, choice: TemplateChoice) -> SoftTissueMap:
        def write(path: Path) -> None:
            save_map(register(self._outline(choice.outline), self._donor(choice.soft_tissue).bones), path)

        return load_map(kept_file(self._kept(self._map_file(choice)), write))

    def _outline_file(self, name: str) -> str:
        return f"outline-{name}-{self._hash(name)}-{OUTLINE_VERSION}.npz"

    def _soft_tissue_file(self, name: str) -> str:
        version = str(IMAGE_TEMPLATE_VERSION) if name == MULTI_ECHO else f"{IMAGE_TEMPLATE_VERSION}.{OUTLINE_VERSION}"
        return f"soft-tissue-{name}-{self._hash(name)}-{version}.npz"

    def _map_file(self, choice: TemplateChoice) -> str:
        hashes = "-".join(self._hash(name)[:8] for name in (choice.outline, choice.soft_tissue))
        return f"map-{choice.name}-{hashes}-{IMAGE_TEMPLATE_VERSION}.{OUTLINE_VERSION}.npz"

    def _hash(self, name: str) -> str:
        return multi_echo_hash() if name == MULTI_ECHO else self.hashes[name]

    def _kept(self, name: str) -> Path:
        """Where a built part lies: what ships comes first."""
        try:
            return resource_path(f"{SHIPPED}/{name}")
        except ProcessingError:
            return self.cache / name


@lru_cache(maxsize=32)
def _digest(parts: tuple[Path, ...]) -> str:
    """Digits that change with a template's parts and with the code that puts them together."""
    return digest_of(parts, (code_digest(),))


@lru_cache(maxsize=2)
def _loaded_donor(path: Path) -> Donor:
    return load_donor(path)


@lru_cache(maxsize=1)
def multi_echo_hash() -> str:
    """Sixteen hexadecimal digits that change with the multi-echo knee's maps or with the joint laid over them."""
    digest = hashlib.sha256()
    folder = resource_path(f"anatomy/{MULTI_ECHO}")
    for path in sorted(p for pattern in ("*.nrrd", "*.npz", "*.json") for p in folder.glob(pattern)):
        digest.update(path.read_bytes())
    if not (folder / REGISTERED).exists():
        digest.update(label_map_hash(resource_path(f"anatomy/{JOINT_LABELS}")).encode())
    return digest.hexdigest()[:16]
