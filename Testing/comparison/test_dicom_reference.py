"""DICOM series as the real MRI: read where it lies, or refused by name; never another volume without a word."""

from __future__ import annotations

import copy
import random
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from damaged_mri_series import damaged_series
from mri_series import COLUMNS, PITCH_MM, ROWS, SLICES, lies_in_place, mri_series, outcome, refusal

from Xray2MRILib.comparison.reference_volume import read_reference

CASES, PARTS = 360, 6


@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_series_are_read_right_or_refused(part, tmp_path, capfd):
    said = {}
    for seed in range(part * CASES // PARTS, (part + 1) * CASES // PARTS):
        folder = tmp_path / str(seed) / "scan"
        kind, truth = damaged_series(seed, folder)
        verdict, words = outcome(truth, folder)
        said.setdefault(verdict, []).append(words)
        assert verdict != "wrong", f"case {seed} ({kind}): {words}"
        shutil.rmtree(folder.parent)
    assert len(said["right"]) > 10
    assert len(said["refused"]) > 10
    assert not any(capfd.readouterr())


def test_the_whole_series_and_one_of_its_files(series, tmp_path):
    for path in (tmp_path / "scan", tmp_path / "scan" / "I004.dcm"):
        found = read_reference(path)
        assert lies_in_place(found.image, series)
        assert found.image.GetSize() == (COLUMNS, ROWS, SLICES)
        assert found.warnings == ()
        # the axes are right-handed whatever the order of the files
        assert np.linalg.det(np.reshape(found.image.GetDirection(), (3, 3))) == pytest.approx(1)


def test_gdcm_agrees_on_a_whole_series(series, tmp_path):
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "scan"))
    other, found = sitk.ReadImage(names), read_reference(tmp_path / "scan").image
    for ask in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(found, ask)(), getattr(other, ask)(), atol=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(other))


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (range(4, 9), "is incomplete: slices 5 to 9 are missing"),
        ((6,), "is incomplete: slice 7 is missing"),
        ((2, 3, 9), "is incomplete: slices 3 and 4 are missing, slice 10 is missing"),
        (range(1, SLICES, 2), "is incomplete: its slices are numbered 1, 3, 5 ..., the ones between are missing"),
    ],
)
def test_gaps_are_named(series, tmp_path, gone, words):
    for index in gone:
        (tmp_path / "scan" / f"I{index + 1:03d}.dcm").unlink()
    assert words in refusal(tmp_path / "scan")


def test_gaps_without_numbers_are_named_by_their_neighbours(tmp_path):
    series = mri_series(2, InstanceNumber=None)
    del series.datasets[5:7]
    series.write(tmp_path / "scan")
    assert "2 slices are missing between I005.dcm and I006.dcm" in refusal(tmp_path / "scan")


def test_every_second_slice_without_numbers_shows_in_the_stated_distance(tmp_path):
    series = mri_series(2, InstanceNumber=None, SpacingBetweenSlices=PITCH_MM)
    series.datasets = series.datasets[::2]
    series.write(tmp_path / "scan")
    assert "slices 5.00 mm apart, and its header says 2.50 mm" in refusal(tmp_path / "scan")


def test_what_may_be_missing_at_the_ends_is_told(tmp_path):
    series = mri_series(3, ImagesInAcquisition=SLICES)
    del series.datasets[:3]
    series.write(tmp_path / "scan")
    found = read_reference(tmp_path / "scan")
    assert lies_in_place(found.image, series)
    assert "slices 1 to 3 may be missing" in found.warnings[0]
    assert "header announces 14" in found.warnings[1]


def test_a_localizer_is_left_out_and_named(series, tmp_path):
    other = mri_series(50, 3)
    other.write(tmp_path / "scan", ["L1.dcm", "L2.dcm", "L3.dcm"])
    found = read_reference(tmp_path / "scan")
    assert lies_in_place(found.image, series)
    (warning,) = found.warnings
    assert warning.startswith("3 slices of another orientation")
    assert "L1.dcm, L2.dcm, L3.dcm" in warning


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"EchoTime": 15.1}, "2 stacks of slices: 14 slices from I001.dcm, echo time 7.6 ms; 14 slices from X01.dcm, "
                             "echo time 15.1 ms"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "image type ORIGINAL/PRIMARY/P/ND"),
        ({"SeriesInstanceUID": "1.9", "SeriesDescription": "T2"}, "2 DICOM series: 14 slices from I001.dcm; "
                                                                 "14 slices from X01.dcm, 'T2'"),
        ({"PatientID": "P2"}, "of several patients"),
        ({"TemporalPositionIdentifier": 2}, "time point 2"),
    ],
)  # fmt: skip
def test_two_volumes_in_a_folder_are_refused_and_one_file_chooses(series, tmp_path, changes, words):
    other = copy.deepcopy(series)
    other.volume = other.volume[::-1].copy()
    for index, dataset in enumerate(other.datasets):
        dataset.PixelData = other.volume[index].tobytes()
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
    other.write(tmp_path / "scan", [f"X{index + 1:02d}.dcm" for index in range(SLICES)])
    assert words in refusal(tmp_path / "scan")
    assert lies_in_place(read_reference(tmp_path / "scan" / "I003.dcm").image, series)
    assert lies_in_place(read_reference(tmp_path / "scan" / "X03.dcm").image, other)


def test_numbers_may_alternate_between_echoes(tmp_path):
    first, second = mri_series(4), mri_series(4, EchoTime=20)
    for index in range(SLICES):
        first.datasets[index].InstanceNumber = 2 * index + 1
        second.datasets[index].InstanceNumber = 2 * index + 2
    first.write(tmp_path / "scan")
    second.write(tmp_path / "scan", [f"X{index:02d}.dcm" for index in range(SLICES)])
    assert lies_in_place(read_reference(tmp_path / "scan" / "I003.dcm").image, first)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("backwards", [False, True])
def test_interleaved_numbers_are_in_order(tmp_path, stride, backwards):
    series = mri_series(5)
    order = [index for first in range(stride) for index in range(first, SLICES, stride)]
    for number, index in enumerate(order[::-1] if backwards else order, 1):
        series.datasets[index].InstanceNumber = number
    names = [f"{random.Random(stride).random()}_{index}.dcm" for index in range(SLICES)]
    series.write(tmp_path / "scan", names)
    assert lies_in_place(read_reference(tmp_path / "scan").image, series)


@pytest.mark.parametrize("keyword", ["InstanceNumber", "SliceLocation"])
def test_positions_that_contradict_are_refused(tmp_path, keyword):
    series = mri_series(6)
    for index, dataset in enumerate(series.datasets):
        dataset.SliceLocation = f"{index * PITCH_MM:.2f}"
        if keyword == "SliceLocation":
            del dataset.InstanceNumber
    one, other = series.datasets[3], series.datasets[8]
    one.ImagePositionPatient, other.ImagePositionPatient = other.ImagePositionPatient, one.ImagePositionPatient
    series.write(tmp_path / "scan")
    assert "contradict each other" in refusal(tmp_path / "scan")


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("ImagePositionPatient", "14 of 14 slices that do not say where they lie (ImagePositionPatient)"),
        ("ImageOrientationPatient", "do not say how they are turned (ImageOrientationPatient)"),
        ("PixelSpacing", "do not say how large their pixels are (PixelSpacing)"),
        ("Rows", "has files without Rows: I001.dcm"),
        ("BitsAllocated", "has files without BitsAllocated: I001.dcm"),
        ("PixelData", "has files that are damaged or cut: I001.dcm"),
    ],
)
def test_missing_attributes_are_named(tmp_path, keyword, words):
    series = mri_series(7)
    for dataset in series.datasets:
        delattr(dataset, keyword)
    series.write(tmp_path / "scan")
    assert words in refusal(tmp_path / "scan")


def test_files_that_are_cut_are_named(series, tmp_path):
    path = tmp_path / "scan" / "I005.dcm"
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged or cut: I005.dcm" in refusal(tmp_path / "scan")
    assert "damaged or cut: I005.dcm" in refusal(path)
    path.write_bytes(b"")
    assert "damaged or cut: I005.dcm" in refusal(tmp_path / "scan")


def test_sheared_tilted_and_uneven_stacks(tmp_path):
    def moved(name: str, offset) -> str:
        series = mri_series(8)
        for index, dataset in enumerate(series.datasets):
            place = series.place(index) + series.direction @ np.array(offset(index))
            dataset.ImagePositionPatient = [f"{value:.5f}" for value in place]
        series.write(tmp_path / name)
        return refusal(tmp_path / name)

    assert "shifted sideways" in moved("shear", lambda index: (0, 0.2 * index, 0))
    assert "uneven distances, from 2.50 to 2.90 mm" in moved("uneven", lambda index: (0, 0, 0.4 * (index > 6)))
    assert "several slices with different pictures at one place" in moved(
        "same", lambda k: (0, 0, -PITCH_MM * (k == 5))
    )


def test_axes_that_are_not_at_right_angles(tmp_path):
    series = mri_series(9, ImageOrientationPatient=[1, 0, 0, 0.3, 0.953939, 0])
    series.write(tmp_path / "scan")
    assert "axes that are not at right angles" in refusal(tmp_path / "scan")


def test_there_are_enough_cases():
    assert CASES >= 300
