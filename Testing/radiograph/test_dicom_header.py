"""What the header of a DICOM radiograph says: orientation, side, doubts; no identifier is kept."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from radiograph_files import dicom_dataset, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import read_radiograph


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (["L", "F"], lambda radiograph: radiograph),
        (["R", "F"], lambda radiograph: radiograph[:, ::-1]),
        (["L", "H"], lambda radiograph: radiograph[::-1]),
        (["F", "L"], lambda radiograph: radiograph.T),
        (["H", "R"], lambda radiograph: radiograph[::-1, ::-1].T),
        (["LF", "FR"], lambda radiograph: radiograph),
    ],
)
def test_radiograph_is_turned_upright(tmp_path, orientation, stored):
    pixels = sample_pixels(bits=12)
    lying = np.ascontiguousarray(stored(pixels))
    spacing = [0.1, 0.2] if lying.shape == pixels.shape else [0.2, 0.1]
    radiograph = read_radiograph(
        write_dicom(tmp_path / "film", lying, 12, PatientOrientation=orientation, ImagerPixelSpacing=spacing)
    )
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.pixel_spacing_mm == (0.1, 0.2)


@pytest.mark.parametrize(
    ("elements", "side"),
    [
        ({"ImageLaterality": "L"}, "left"),
        ({"ImageLaterality": "R", "Laterality": "L"}, "right"),
        ({"Laterality": "R"}, "right"),
        ({"ImageLaterality": "B"}, None),
        ({"ImageLaterality": "U", "SeriesDescription": "KNEE LT PA"}, "left"),
        ({"ProtocolName": "Knie AP right"}, "right"),
        ({"SeriesDescription": "Knees PA left and right"}, None),
    ],
)
def test_side_in_the_header(tmp_path, elements, side):
    radiograph = read_radiograph(write_dicom(tmp_path / "film", sample_pixels(), **elements))
    assert radiograph.side == side
    assert radiograph.side_source == ("header" if side else "none")


def test_file_name_counts_only_without_header(tmp_path):
    assert read_radiograph(write_dicom(tmp_path / "knee_L.dcm", sample_pixels())).side_source == "file name"
    named = read_radiograph(write_dicom(tmp_path / "knee_left.dcm", sample_pixels(), Laterality="R"))
    assert (named.side, named.side_source) == ("right", "header")
    assert read_radiograph(write_dicom(tmp_path / "kneeR.dcm", sample_pixels(), ImageLaterality="B")).side is None


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"BodyPartExamined": "CHEST"}, "another body part (chest)"),
        ({"ViewPosition": "LL"}, "not a frontal radiograph"),
        ({"SeriesDescription": "Knee lateral"}, "not a frontal radiograph"),
        ({"PatientOrientation": ["A", "F"]}, "not a frontal radiograph"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "Bone looks dark"),
        ({"WindowCenter": 255, "WindowWidth": 1}, "window"),
    ],
)
def test_doubts_are_warnings(tmp_path, elements, words):
    radiograph = read_radiograph(write_dicom(tmp_path / "film", sample_pixels(), **elements))
    assert any(words in line for line in radiograph.record["warnings"])


def test_record_holds_no_identifiers(tmp_path):
    secrets = {
        "PatientName": "Secret^Name", "PatientID": "SECRET", "PatientBirthDate": "19500203",
        "StudyDate": "20200304", "InstitutionName": "SECRET", "StudyDescription": "SECRET right",
        "SeriesDescription": "SECRET", "BodyPartExamined": "SECRET", "ViewPosition": "SECRET",
        "AccessionNumber": "SECRET", "StudyInstanceUID": "1.2.3", "Modality": "DX", "OperatorsName": "SECRET",
    }  # fmt: skip
    path = write_dicom(tmp_path / "SECRET.dcm", sample_pixels(), **secrets)
    record = json.dumps(read_radiograph(path).record)
    for word in ("SECRET", "Secret", "1950", "2020", "1.2.3", str(tmp_path)):
        assert word not in record


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, cut):
    whole = io.BytesIO()
    dicom_dataset(sample_pixels(bits=12), 12).save_as(whole, enforce_file_format=True)
    path = tmp_path / "film.dcm"
    path.write_bytes(whole.getvalue()[: int(cut * len(whole.getvalue()))])
    with pytest.raises(InputError) as refusal:
        read_radiograph(path)
    assert refusal.value.code == "damaged-radiograph"
