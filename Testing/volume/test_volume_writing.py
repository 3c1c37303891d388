"""Volumes on disk, read back by SimpleITK and by eye."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from random_volume import ENDINGS, make_volume, names, nrrd_header

from Xray2MRILib.errors import InputError
from Xray2MRILib.volume.provenance import notice
from Xray2MRILib.volume.pseudo_mri import PseudoMRI
from Xray2MRILib.volume.writing import check_destination, write_volume


@pytest.mark.parametrize("ending", ENDINGS)
def test_simpleitk_finds_the_geometry_and_the_grey_values(tmp_path: Path, ending: str) -> None:
    import SimpleITK as sitk

    volume = make_volume()
    files = write_volume(volume, tmp_path / f"knee{ending}")
    image = sitk.ReadImage(str(files.volume))
    assert image.GetSpacing() == pytest.approx(volume.spacing, abs=1e-5)
    assert image.GetOrigin() == pytest.approx(volume.origin, abs=1e-4)
    assert image.GetDirection() == pytest.approx(volume.direction, abs=1e-6)
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) == pytest.approx(1)
    assert image.GetPixelID() == sitk.sitkInt16
    grey = sitk.GetArrayFromImage(image) / 4095
    assert np.abs(grey - volume.array).max() <= 0.5 / 4095 + 1e-9
    assert names(tmp_path) == ["knee.json", f"knee{ending}"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_loading_gives_back_what_was_written(tmp_path: Path, ending: str, mirrored: bool) -> None:
    volume = make_volume(deviation=True, mirrored=mirrored)
    files = volume.save(tmp_path / f"knee{ending}")
    assert files.deviation.is_file()
    again = PseudoMRI.load(files.volume)
    assert np.abs(again.array - volume.array).max() <= 0.5 / 4095 + 1e-6
    assert np.abs(again.deviation - volume.deviation).max() <= 0.5 / 4095 + 1e-6
    assert np.abs(again.depth_slices() - volume.depth_slices()).max() <= 0.5 / 4095 + 1e-6
    assert again.side == volume.side
    assert again.provenance["sampling"] == volume.provenance["sampling"]
    # what was rounded once is not rounded again
    again.save(tmp_path / f"again{ending}")
    assert np.array_equal(PseudoMRI.load(tmp_path / f"again{ending}").array, again.array)


def test_nrrd_header_tells_the_story(tmp_path: Path) -> None:
    write_volume(make_volume(), tmp_path / "knee.nrrd")
    header = nrrd_header(tmp_path / "knee.nrrd")
    assert header["space"] == "left-posterior-superior"
    assert header["type"] == "short"
    assert "not for diagnosis" in header["content"]
    expected = {
        "notice": notice(),
        "model.name": "compact",
        "model.version": "1.0",
        "model.weights_sha256": "c0ffee" * 10 + "abcd",
        "sampling.seed": "3",
        "sampling.steps": "20",
        "sampling.sampler": "ddim",
        "sampling.num_slices": "12",
        "radiograph.box": "[10.0, 20.0, 300.0, 300.0]",
        "radiograph.side": "right",
        "radiograph.side_source": "header",
        "koa.values": "[0.1, 0.2, 0.4, 0.2, 0.1]",
        "koa.source": "classifier",
        "plausibility.plausible": "true",
        "volume.depth_index_of_slice_0": "11",
        "volume.pose": "nominal",
        "volume.slice_thickness_mm": "1.5",
        "volume.intensity_intercept": "0.0",
        "volume.mirrored": "false",
        "libraries.numpy": np.__version__,
    }
    for key, value in expected.items():
        assert header[f"Xray2MRI.{key}"] == value
    assert float(header["Xray2MRI.volume.intensity_slope"]) == 1 / 4095
    assert "overlap or leave gaps" in header["Xray2MRI.volume.slice_thickness_note"]
    assert header["Xray2MRI.created_utc"].endswith("Z")


def test_other_formats_carry_the_notice(tmp_path: Path) -> None:
    import SimpleITK as sitk

    for ending in (".mha", ".nii.gz"):
        write_volume(make_volume(), tmp_path / f"knee{ending}")
    assert "not for diagnosis" in sitk.ReadImage(str(tmp_path / "knee.mha")).GetMetaData("Xray2MRI.notice")
    assert "not for diagnosis" in sitk.ReadImage(str(tmp_path / "knee.nii.gz")).GetMetaData("descrip")


def test_side_car_is_complete(tmp_path: Path) -> None:
    volume = make_volume(slices=20)
    record = json.loads(write_volume(volume, tmp_path / "knee.nrrd").record.read_text(encoding="utf-8"))
    assert record["volume"]["depth_positions"] == pytest.approx(volume.depth_positions)
    assert record["volume"]["spacing_mm"] == pytest.approx([5.0, 160 / 24, 73.5 / 19])
    assert record["volume"]["size"] == [32, 24, 20]
    assert record["schema_version"] == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_identifier_leaves_unless_asked_for(tmp_path: Path, ending: str) -> None:
    volume = make_volume(deviation=True)
    volume.provenance["radiograph"]["path"] = "/clinic/Doe_Jane_1960.dcm"
    write_volume(volume, tmp_path / f"knee{ending}")
    for name in names(tmp_path):
        data = (tmp_path / name).read_bytes()
        assert not any(word in data for word in (b"Doe", b"Jane", b"clinic", str(tmp_path).encode()))
    write_volume(volume, tmp_path / f"knee{ending}", keep_identifiers=True)
    assert "Doe_Jane_1960" in (tmp_path / "knee.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["knee.png", "knee", "knee.nii", "knee.nrrd.bak", ".nrrd"])
def test_other_endings_are_refused_with_the_three(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        write_volume(make_volume(), tmp_path / name)
    assert all(ending in caught.value.sentence() for ending in ENDINGS)
    assert names(tmp_path) == []


def test_ending_in_capitals_and_spaces_in_the_name(tmp_path: Path) -> None:
    for name in ("Left Knee (1).NRRD", "größe.NII.GZ", "x.Mha"):
        volume = make_volume()
        assert np.allclose(PseudoMRI.load(volume.save(tmp_path / name).volume).array, volume.array, atol=1e-3)


def test_missing_folder_folder_as_target_and_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "knee.nrrd").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    cases = (("none/knee.nrrd", "does not exist"), ("knee.nrrd", "is a folder"), ("file/k.nrrd", "is not a folder"))
    for path, word in cases:
        with pytest.raises(InputError, match=word) as caught:
            check_destination(tmp_path / path)
        assert caught.value.code == "bad-output"
        with pytest.raises(InputError, match=word):
            write_volume(make_volume(), tmp_path / path)
    assert names(tmp_path) == ["file", "knee.nrrd"]


def test_names_too_long_and_zero_bytes(tmp_path: Path) -> None:
    for name in ("x" * 300 + ".nrrd", "a\0b.nrrd"):
        with pytest.raises(InputError):
            write_volume(make_volume(), tmp_path / name)
    # the volume's name fits, that of its deviation does not
    with pytest.raises(InputError, match="too long"):
        write_volume(make_volume(deviation=True), tmp_path / ("x" * 248 + ".nrrd"))
    assert names(tmp_path) == []


def test_a_json_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "knee.json").write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="would be overwritten"):
        write_volume(make_volume(), tmp_path / "knee.nrrd")
    assert names(tmp_path) == ["knee.json"]


def test_two_formats_share_a_side_car_only_if_they_hold_one_volume(tmp_path: Path) -> None:
    """knee.nrrd and knee.mha both have knee.json: the second volume would take it from the first."""
    first, second = make_volume(slices=5), make_volume(slices=6)
    first.save(tmp_path / "knee.nrrd")
    first.save(tmp_path / "knee.mha")
    for check in (lambda: second.save(tmp_path / "knee.nii.gz"), lambda: check_destination(tmp_path / "knee.nii.gz")):
        with pytest.raises(InputError, match=r"knee.json would be overwritten, and it is that of the volume knee.nrrd"):
            check()
    assert names(tmp_path) == ["knee.json", "knee.mha", "knee.nrrd"]
    for name in ("knee.nrrd", "knee.mha"):
        assert np.abs(PseudoMRI.load(tmp_path / name).array - first.array).max() < 1 / 4095
    (tmp_path / "knee.mha").unlink()
    second.save(tmp_path / "knee.nrrd")  # a volume may replace itself
    assert PseudoMRI.load(tmp_path / "knee.nrrd").num_slices == 6


def test_an_outdated_deviation_goes_with_its_volume(tmp_path: Path) -> None:
    write_volume(make_volume(deviation=True), tmp_path / "knee.nrrd")
    write_volume(make_volume(1), tmp_path / "knee.nrrd")
    assert names(tmp_path) == ["knee.json", "knee.nrrd"]
    # a file that no side-car of ours announced is left alone
    (tmp_path / "knee_deviation.nrrd").write_text("somebody's", encoding="utf-8")
    write_volume(make_volume(2), tmp_path / "knee.nrrd")
    assert (tmp_path / "knee_deviation.nrrd").read_text(encoding="utf-8") == "somebody's"


def test_a_link_keeps_pointing_to_the_new_volume(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "knee.nrrd").symlink_to(tmp_path / "store" / "real.nrrd")
    write_volume(make_volume(), tmp_path / "knee.nrrd")
    assert (tmp_path / "knee.nrrd").is_symlink()
    # the side-car lies where the volume lies
    assert names(tmp_path / "store") == ["real.json", "real.nrrd"]
    assert names(tmp_path) == ["knee.nrrd", "store"]
