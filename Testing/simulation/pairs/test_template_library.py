"""The templates that ship: all parts are there, nothing folds, nothing is torn, knees draw them evenly."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Testing.material.template_comparison import check_same  # noqa: E402
from Xray2MRILib.errors import InputError  # noqa: E402
from Xray2MRILib.simulation.anatomy.outline_registration import LEAST_JACOBIAN  # noqa: E402
from Xray2MRILib.simulation.anatomy.template_files import load_donor, load_map, load_outline  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE  # noqa: E402
from Xray2MRILib.simulation.pairs.template_library import (  # noqa: E402
    LABEL_MAPS,
    MULTI_ECHO,
    MULTI_ECHO_SHARE,
    TemplateChoice,
    TemplateLibrary,
)


@pytest.fixture(scope="module")
def library() -> TemplateLibrary:
    """With the user's cache, where ``make test`` has built the parts that do not ship."""
    return TemplateLibrary()


def test_outlines_ship_and_nothing_else_does(tmp_path: Path) -> None:
    """Run Testing/benchmarks/ship_templates.py where this fails."""
    library = TemplateLibrary(cache=tmp_path)
    assert len(library.choices()) == 10
    missing = [path.name for path in library.missing()]
    assert len(set(missing)) == len(missing) == 10
    assert sum(name.startswith("soft-tissue-") for name in missing) == 2
    assert sum(name.startswith("map-") for name in missing) == 8
    shipped = library.parts(TemplateChoice(LABEL_MAPS[0], MULTI_ECHO))[2]
    assert {path.name.split("-")[0] for path in shipped.parent.iterdir()} == {"outline"}
    assert sum(path.stat().st_size for path in shipped.parent.iterdir()) < 300_000


@pytest.mark.slow
def test_no_map_folds(library: TemplateLibrary) -> None:
    for choice in library.choices():
        if choice.outline != choice.soft_tissue:
            library.build(choice)
            jacobian = load_map(library.parts(choice)[1]).jacobian()
            assert jacobian.min() > LEAST_JACOBIAN * 0.9, choice.name
            assert jacobian.max() < 8, choice.name


@pytest.mark.parametrize("name", LABEL_MAPS)
def test_each_bone_of_an_outline_is_one_piece(library: TemplateLibrary, name: str) -> None:
    outline = load_outline(library.parts(TemplateChoice(name, MULTI_ECHO))[2])
    check_pieces(outline.code, ("femur", "tibia", "patella"))


def test_knees_draw_outlines_evenly_and_soft_tissue_by_its_share(library: TemplateLibrary) -> None:
    drawn = [library.draw(seed) for seed in range(3000)]
    assert library.draw(17) == drawn[17]
    counts = Counter(choice.outline for choice in drawn)
    assert set(counts) == {MULTI_ECHO, *LABEL_MAPS}
    assert min(counts.values()) > 500
    assert np.mean([c.soft_tissue == MULTI_ECHO for c in drawn]) == pytest.approx(MULTI_ECHO_SHARE, abs=0.04)


def test_maps_of_one_name_are_refused(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "knee").mkdir(parents=True)
        (tmp_path / place / "knee" / "labels.json").write_text(
            json.dumps({"side": "left", "labels": {}}), encoding="utf-8"
        )
    with pytest.raises(InputError, match="the same name"):
        TemplateLibrary([tmp_path / "a" / "knee", tmp_path / "b" / "knee"])


def test_parts_are_built_where_the_cache_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the cache would be: parts lie in a temporary folder as long as the library exists."""
    from Xray2MRILib.simulation.pairs import template_library

    (tmp_path / "file").write_text("", encoding="utf-8")
    library = TemplateLibrary(cache=tmp_path / "file" / "cache")
    choice, kept = TemplateChoice("dess_knee", MULTI_ECHO), TemplateLibrary()
    kept.build(choice)
    expected = load_map(kept.parts(choice)[1])
    monkeypatch.setattr(template_library, "register", lambda *_: expected)
    multi_echo = load_donor(kept.parts(choice)[0]).template
    monkeypatch.setattr(template_library, "build_multi_echo_template", lambda _: multi_echo)
    library.build(choice)
    written = library.parts(choice)[1]
    assert written.exists()
    assert not written.is_relative_to(tmp_path)
    assert np.array_equal(load_map(written).points_mm, expected.points_mm)
    folder = library.cache
    del library
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("outline", [MULTI_ECHO, *LABEL_MAPS])
def test_nothing_is_torn_in_a_template(library: TemplateLibrary, outline: str) -> None:
    """Each bone is one piece, femoral cartilage too, both menisci are there, and fat and skin lie around the body."""
    from scipy import ndimage

    template = library.template(TemplateChoice(outline, MULTI_ECHO if outline != MULTI_ECHO else "spl_knee_atlas"))
    check_pieces(template.code, ("femur", "tibia", "patella", "fibula"))
    cartilage = template.code == CODE["cartilage"]
    labels, count = ndimage.label(cartilage, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    assert sizes[:3].sum() > 0.97 * sizes.sum(), (count, sizes[:6])
    menisci = np.argwhere(template.code == CODE["meniscus"])[:, 2] * 0.625 - 92
    assert (menisci > 5).sum() > 2000
    assert (menisci < -5).sum() > 2000
    assert np.array_equal(template.code > 0, template.anatomy.outside_mm == 0)


@pytest.mark.slow
def test_a_kept_template_is_the_one_that_was_put_together(library: TemplateLibrary) -> None:
    """Read from the cache, with everything that its knees ask of it; a second library finds it without building."""
    choice = TemplateChoice("dess_knee", MULTI_ECHO)
    library.template(choice)  # keeps it
    later = TemplateLibrary(cache=library.cache)
    later.assemble = None  # type: ignore[assignment]
    check_same(later.template(choice), library.assemble(choice))


def check_pieces(code: np.ndarray, bones: tuple[str, ...]) -> None:
    """Each bone but for crumbs below 0.2 % is one piece."""
    from scipy import ndimage

    for bone in bones:
        labels, _ = ndimage.label(code == CODE[bone])
        sizes = np.bincount(labels.ravel())[1:]
        assert sizes.max() > 0.998 * sizes.sum(), (bone, np.sort(sizes)[::-1][:5])
