"""Folders with more than one series, copies, other files, foreign contrasts, and our own series as a real MRI."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from mri_series import SLICES, lies_in_place, mri_dataset, mri_series, refusal
from volumes import asymmetric_volume

from Xray2MRILib.comparison.reference_volume import read_reference
from Xray2MRILib.errors import InputError
from Xray2MRILib.export.dicom_series import write_dicom_series


def test_copies_are_left_out_and_told(series, tmp_path):
    shutil.copy(tmp_path / "scan" / "I004.dcm", tmp_path / "scan" / "again.dcm")
    found = read_reference(tmp_path / "scan")
    assert lies_in_place(found.image, series)
    assert found.warnings == ("The reference holds one slice twice; the copy was left out.",)


def test_other_files_are_passed_over(series, tmp_path):
    folder = tmp_path / "scan"
    (folder / "readme.txt").write_text("a note", encoding="utf-8")
    report = pydicom.dcmread(folder / "I001.dcm")
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(report, keyword)
    report.Modality, report.SOPClassUID = "SR", "1.2.840.10008.5.1.4.1.1.88.22"
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    assert lies_in_place(read_reference(folder).image, series)


def test_a_folder_of_folders_names_one(series, tmp_path):
    with pytest.raises(InputError, match="contains no DICOM series") as caught:
        read_reference(tmp_path)
    assert "for example scan in it" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Modality": "CT"}, "is not an MRI: its modality is CT"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "inverted grey values"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic"),
    ],
)
def test_what_is_no_grey_mri(tmp_path, changes, words):
    mri_series(10, **changes).write(tmp_path / "scan")
    assert words in refusal(tmp_path / "scan")


def test_rescaled_slices_keep_their_own_scale(tmp_path):
    series = mri_series(11)
    truth = series.volume.astype(float)
    for index, dataset in enumerate(series.datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + index % 3, 10 * index
        dataset.RescaleType = "US"
        truth[index] = truth[index] * (1 + index % 3) + 10 * index
    series.write(tmp_path / "scan")
    found = sitk.GetArrayFromImage(read_reference(tmp_path / "scan").image)
    # GDCM does not rescale MR images; whatever it does, every slice has one scale or its own
    assert np.array_equal(found, truth) or np.array_equal(found, series.volume)


@pytest.mark.parametrize("remove", [(), ("ImageType",), ("SeriesDescription",), ("Manufacturer", "ImageType")])
def test_our_own_series_is_no_reference(tmp_path, remove):
    files = write_dicom_series(asymmetric_volume(7), tmp_path / "scan")
    for path in files:
        image = pydicom.dcmread(path)
        for keyword in remove:
            delattr(image, keyword)
        image.save_as(path)
    assert "is itself a synthetic volume" in refusal(tmp_path / "scan")


@pytest.mark.parametrize("fault", [None, "gap", "two echoes"])
def test_enhanced_mr(tmp_path, fault):
    """One file with a frame for every slice, in an order of its own."""
    series = mri_series(12)
    order = list(range(SLICES))
    random.Random(1).shuffle(order)
    if fault == "gap":
        order = [index for index in order if index not in (5, 6)]
    image = mri_dataset(series.volume[0], NumberOfFrames=len(order), EchoTime=None, RepetitionTime=None, FlipAngle=None)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    image.PixelData = series.volume[order].astype("<u2").tobytes()
    image.SharedFunctionalGroupsSequence = [_group(PixelMeasuresSequence={"PixelSpacing": [1.1, 1.2]})]
    image.PerFrameFunctionalGroupsSequence = [
        _group(
            PlanePositionSequence={"ImagePositionPatient": series.datasets[index].ImagePositionPatient},
            PlaneOrientationSequence={"ImageOrientationPatient": series.datasets[index].ImageOrientationPatient},
            FrameContentSequence={"InStackPositionNumber": index + 1},
            MREchoSequence={"EffectiveEchoTime": 20.0 if fault == "two echoes" and index % 2 else 10.0},
        )
        for index in order
    ]
    image.save_as(tmp_path / "scan.dcm", enforce_file_format=True)
    if fault is None:
        assert lies_in_place(read_reference(tmp_path / "scan.dcm").image, series)
    else:
        words = {"gap": "slices 6 and 7 are missing", "two echoes": "echo time 10 ms"}[fault]
        assert words in refusal(tmp_path / "scan.dcm")


def _group(**sequences: dict) -> pydicom.Dataset:
    group = pydicom.Dataset()
    for name, elements in sequences.items():
        item = pydicom.Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(group, name, [item])
    return group
