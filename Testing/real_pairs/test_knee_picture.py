"""Knees of real radiographs: the crop that generate would cut, mirrored for left knees; implants and sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_archive import write_radiograph
from radiograph_files import sample_pixels

from Xray2MRILib.errors import InputError
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.preparation.joint_crop import normalise_crop
from Xray2MRILib.radiograph.reading import read_radiograph
from Xray2MRILib.real_pairs.implant import bright_area, shows_implant
from Xray2MRILib.real_pairs.knee_picture import MARGIN, read_knee_picture

REAL = sorted(Path(__file__).parents[1].glob("localization/radiographs/*.webp"))


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_crop_is_the_one_that_generate_cuts(tmp_path: Path, side: str) -> None:
    path = write_radiograph(tmp_path / "both.dcm")
    picture = read_knee_picture(path, side)
    prepared = prepare_knee(read_radiograph(path), GenerationSettings(side=side)).prepared
    assert prepared.mirrored == (side == "left")
    np.testing.assert_array_equal(picture.crop, prepared.image[0])
    np.testing.assert_allclose(normalise_crop(picture.pixels[MARGIN:-MARGIN, MARGIN:-MARGIN]), picture.crop, atol=2e-5)
    assert picture.pixels.shape == (320, 320)


def test_left_and_right_of_one_radiograph_differ(tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "both.dcm")
    right, left = (read_knee_picture(path, side) for side in ("right", "left"))
    assert right.record["box"]["x"] < 320 < left.record["box"]["x"] + left.record["box"]["width"]
    assert np.abs(right.crop - left.crop).mean() > 0.1


def test_a_radiograph_of_the_other_side_is_refused(tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "one.dcm", "kl1_left.webp", SeriesDescription="Knee")
    assert read_knee_picture(path, "left").crop.shape == (256, 256)
    with pytest.raises(InputError, match=r"does not look like a right knee"):
        read_knee_picture(path, "right")
    tagged = write_radiograph(tmp_path / "tagged.dcm", "kl1_left.webp", ImageLaterality="L")
    with pytest.raises(InputError, match="says left"):
        read_knee_picture(tagged, "right")


def test_pictures_without_a_knee_are_refused(tmp_path: Path) -> None:
    grain = np.random.default_rng(0).integers(0, 4000, (400, 500)).astype(np.uint16)
    path = write_radiograph(tmp_path / "noise.dcm", pixels=grain)
    with pytest.raises(InputError, match="no knee"):
        read_knee_picture(path, "right")
    # a table may say where the knee is
    boxed = read_knee_picture(write_radiograph(tmp_path / "one.dcm", "kl0_right.webp"), "right", (41, -42, 225, 225))
    assert boxed.record["box_source"] == "user"


def test_implants_are_seen_and_bones_are_not_taken_for_them() -> None:
    from PIL import Image

    for path in [*REAL, *sorted(resource_path("samples").glob("*.webp"))]:
        pixels = np.asarray(Image.open(path).convert("L")).astype(np.float32)
        crop = np.asarray(Image.fromarray(pixels).resize((256, 256)))
        assert not shows_implant(crop), path.name
        metal = crop.copy()
        metal[80:125, 50:206] = metal[140:150, 50:206] = metal[150:200, 115:140] = crop.max() * 1.05
        area, drop = bright_area(metal)
        assert shows_implant(metal), (path.name, area, drop)


def test_a_radiograph_with_an_implant_is_refused(tmp_path: Path) -> None:
    pixels = sample_pixels("kl0_right.webp", 12).copy()
    pixels[40:70, 100:200] = pixels[80:86, 100:200] = pixels[86:120, 140:160] = 4095
    with pytest.raises(InputError, match="shows an implant"):
        read_knee_picture(write_radiograph(tmp_path / "x.dcm", pixels=pixels), "right", (41, -42, 225, 225))
