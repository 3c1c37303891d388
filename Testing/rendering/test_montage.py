"""The overview picture, measured from its pixels."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from Xray2MRILib.errors import InputError
from Xray2MRILib.rendering import grade_bars, slice_grid
from Xray2MRILib.rendering.montage import describe_origin, draw_montage, write_montage
from Xray2MRILib.rendering.text import ALARM, NOTICE, font
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

P = (0.05, 0.1, 0.25, 0.5, 0.1)


def a_volume(slices: int = 50, *, mirrored: bool = False, plausible: bool = True) -> PseudoMRI:
    """Every slice has its own grey level, so that it can be recognised in the picture."""
    grey = np.linspace(0.2, 0.9, slices, dtype=np.float32)
    record = {
        "model": {"name": "compact", "version": "1.0", "weights_sha256": "ab" * 32},
        "sampling": {"seed": 11, "steps": 20, "sampler": "ddim"},
        "plausibility": {"plausible": plausible, "reasons": ["no bone"]},
    }
    return PseudoMRI.from_depth_slices(np.broadcast_to(grey[:, None, None], (slices, 64, 64)), mirrored, record)


def a_radiograph() -> np.ndarray:
    radiograph = np.zeros((1, 256, 256), np.float32)
    radiograph[:, :, :128] = -0.5
    return radiograph


def koa(values: tuple[float, ...] = P, source: str = "classifier") -> SimpleNamespace:
    return SimpleNamespace(values=values, source=source)


def bar_heights(pixels: np.ndarray) -> list[int]:
    """Heights in pixels of the bars found by their colour, left to right."""
    is_bar = (pixels == grade_bars.BAR).all(axis=-1)
    inside = is_bar.any(axis=0).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside, [0]])))
    return [int(is_bar[:, a:b].any(axis=1).sum()) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.fixture(scope="module")
def montage() -> np.ndarray:
    return np.asarray(draw_montage(a_radiograph(), koa(), a_volume()))


def test_size_and_sameness(montage: np.ndarray) -> None:
    assert montage.shape == (1312, 1922, 3)
    assert np.array_equal(montage, np.asarray(draw_montage(a_radiograph(), koa(), a_volume())))


@pytest.mark.parametrize("values", [P, (0.2,) * 5, (0.0, 0.0, 1.0, 0.0, 0.0), (0.9, 0.04, 0.03, 0.02, 0.01)])
def test_bars_are_as_high_as_the_probabilities(values: tuple[float, ...]) -> None:
    box = (10, 20, 440, 220)
    picture = Image.new("RGB", (460, 240))
    grade_bars.draw_grade_bars(picture, values, box)
    pixels = np.asarray(picture)
    is_track = ((pixels == grade_bars.TRACK) | (pixels == grade_bars.BAR)).all(axis=-1)
    full = int(is_track.any(axis=1).sum())
    assert full == 200 - 48
    heights = iter(bar_heights(pixels))
    for value in values:
        expected = round(value * full)
        if expected:
            assert next(heights) == expected
    assert next(heights, None) is None


def test_bars_of_the_montage_follow_p(montage: np.ndarray) -> None:
    heights = bar_heights(montage)
    assert len(heights) == 5
    assert np.array(heights) / sum(heights) == pytest.approx(P, abs=0.01)


@pytest.mark.parametrize("values", [(0.5, 0.5), (1.2, 0, 0, 0, 0), (-0.1, 0.5, 0.2, 0.2, 0.2)])
def test_other_than_five_probabilities_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="Five probabilities"):
        grade_bars.draw_grade_bars(Image.new("RGB", (100, 100)), values, (0, 0, 100, 100))


def test_percentages() -> None:
    assert [grade_bars.format_percentage(value) for value in (0, 0.001, 0.314, 1)] == ["0 %", "<1 %", "31 %", "100 %"]


def test_slices_are_spaced_evenly_with_both_ends() -> None:
    assert slice_grid.select_evenly_spaced(50, 12) == [0, 4, 9, 13, 18, 22, 27, 31, 36, 40, 45, 49]
    assert slice_grid.select_evenly_spaced(5, 12) == [0, 1, 2, 3, 4]
    assert slice_grid.describe_position(0, 50) == "36.8 mm posterior"
    assert slice_grid.describe_position(49, 50) == "36.8 mm anterior"
    assert slice_grid.describe_position(1, 3) == "centre"


def test_slices_run_from_posterior_to_anterior(montage: np.ndarray) -> None:
    """Grey rises with depth in the test volume; 12 tiles of 340 pixels start at (494, 140)."""
    found = []
    for row in range(3):
        for column in range(4):
            left, top = 494 + column * 352, 140 + row * 378
            tile = montage[top + 60 : top + 120, left + 60 : left + 120]
            assert np.ptp(tile) == 0
            found.append(tile[0, 0, 0])
    grey = np.linspace(0.2, 0.9, 50)[slice_grid.select_evenly_spaced(50, 12)]
    assert np.array(found) == pytest.approx(np.rint(grey * 255), abs=1)


def test_radiograph_is_shown_as_it_hangs(montage: np.ndarray) -> None:
    """Dark half on the left for a right knee; mirrored back for a left one."""
    left, right = montage[250, 132, 0], montage[250, 362, 0]
    assert (left, right) == (64, 128)
    mirrored = np.asarray(draw_montage(a_radiograph(), koa(), a_volume(mirrored=True)))
    assert (mirrored[250, 132, 0], mirrored[250, 362, 0]) == (128, 64)


def test_scale_bar_has_the_scale_of_the_slices() -> None:
    picture = Image.new("RGB", (600, 60))
    slice_grid.draw_scale_bar(picture, (580, 40), 340)
    is_bar = (np.asarray(picture) == slice_grid.LETTER).all(axis=-1)
    columns = np.flatnonzero(is_bar[34])
    assert columns[-1] - columns[0] + 1 == round(50 / 160 * 340)


def test_notice_and_warning_stand_out(montage: np.ndarray) -> None:
    assert (montage[:110] == NOTICE).all(axis=-1).sum() > 1000
    assert not (montage == ALARM).all(axis=-1).any()
    warned = np.asarray(draw_montage(a_radiograph(), koa(), a_volume(plausible=False)))
    assert (warned[:110] == ALARM).all(axis=-1).sum() > 300


def test_no_text_is_cut_at_the_edges() -> None:
    volume = a_volume(plausible=False)
    volume.provenance["model"] = {"name": "somebody/" + "very-long-model-name-" * 20, "version": "x" * 200}
    volume.provenance["plausibility"]["reasons"] = ["a very long reason " * 20]
    pixels = np.asarray(draw_montage(a_radiograph(), koa(source="a source with a long name " * 5), volume))
    for edge in (pixels[:, :24], pixels[:, -24:], pixels[:8], pixels[-8:]):
        assert (edge == pixels[0, 0]).all()


def test_what_made_it() -> None:
    text = describe_origin(a_volume().provenance)
    for part in ("model compact 1.0", "weights abababababab", "seed 11", "20 ddim steps"):
        assert part in text
    assert "seeds 1, 2" in describe_origin({"sampling": {"seeds": [1, 2]}})
    assert "seed unknown" in describe_origin({})


@pytest.mark.parametrize("slices", [2, 5, 13])
def test_empty_and_thin_volumes_are_drawn(slices: int) -> None:
    empty = PseudoMRI(np.zeros((slices, 64, 64), np.float32))
    assert draw_montage(np.full((1, 256, 256), np.nan), koa(source="uniform"), empty).size == (1922, 1312)


def test_file_is_a_png_that_carries_the_notice(tmp_path: Path) -> None:
    path = write_montage(a_radiograph(), koa(), a_volume(), tmp_path / "knee.PNG")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (1922, 1312))
        assert "not for diagnosis" in picture.text["Description"]
    assert [item.name for item in tmp_path.iterdir()] == ["knee.PNG"]


def test_bad_places_are_refused_and_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "old.jpg").write_bytes(b"old")
    for path in ("old.jpg", "none/knee.png", "folder.png", "knee"):
        with pytest.raises(InputError) as caught:
            write_montage(a_radiograph(), koa(), a_volume(), tmp_path / path)
        assert caught.value.code == "bad-output"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder.png", "old.jpg"]
    assert hashlib.sha256((tmp_path / "old.jpg").read_bytes()).hexdigest() == hashlib.sha256(b"old").hexdigest()


def test_the_font_needs_no_file_of_ours() -> None:
    assert font(20).getlength("KL 0") > 20
