"""The DICOM series read back by pydicom and GDCM: geometry, voxels, what it says about itself, and about whom not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from radiograph_files import sample_pixels, write_dicom
from volumes import asymmetric_volume, volume_from

from Xray2MRILib.errors import Cancelled, InputError, ProcessingError
from Xray2MRILib.export.dicom_series import write_dicom_series

PATIENT = {
    "PatientName": "Doe^Jané",
    "PatientID": "PID-4711",
    "PatientBirthDate": "19500102",
    "AccessionNumber": "ACC-17",
    "StudyInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3.4.5",
    "SpecificCharacterSet": "ISO_IR 100",
}


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory) -> Path:
    """A DICOM radiograph of a named patient, once compressed with loss."""
    path = tmp_path_factory.mktemp("film") / "doe.dcm"
    return write_dicom(path, sample_pixels(), LossyImageCompression="01", LossyImageCompressionRatio="12", **PATIENT)


@pytest.fixture(scope="module")
def written(tmp_path_factory, radiograph):
    volume = volume_from(radiograph, 7)
    files = write_dicom_series(volume, tmp_path_factory.mktemp("out") / "series", radiograph=radiograph)
    return volume, files, [pydicom.dcmread(path) for path in files]


def read_by_gdcm(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    series = reader.GetGDCMSeriesIDs(str(folder))
    assert len(series) == 1
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series[0]))
    return reader.Execute()


@pytest.mark.parametrize("slices", [2, 7, 50])
def test_gdcm_finds_the_volume_where_the_volume_file_has_it(tmp_path, slices):
    volume = asymmetric_volume(slices)
    write_dicom_series(volume, tmp_path / "series")
    volume.save(tmp_path / "volume.nrrd")
    series, file = read_by_gdcm(tmp_path / "series"), sitk.ReadImage(str(tmp_path / "volume.nrrd"))
    assert series.GetSize() == file.GetSize()
    np.testing.assert_allclose(series.GetSpacing(), file.GetSpacing(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(series.GetOrigin(), file.GetOrigin(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(series.GetDirection(), file.GetDirection(), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(series), sitk.GetArrayFromImage(file))


def test_pixels_and_their_mapping_to_grey_values(written):
    volume, _, images = written
    stored = np.stack([image.pixel_array for image in images])
    mapping = images[0].RealWorldValueMappingSequence[0]
    grey = stored * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    np.testing.assert_allclose(grey, volume.array, rtol=0, atol=0.5 / 4095 + 1e-7)
    assert stored.min() == 0
    assert stored.max() == 4095
    assert "RescaleSlope" not in images[0]  # not part of an MR image


def test_slices_lie_by_hand_calculation(written):
    _, _, images = written
    # 7 slices over 73.5 mm along y, 48 columns and 32 rows over 160 mm, centred at the origin
    for index, image in enumerate(images):
        y = -36.75 + index * 73.5 / 6
        expected = (-80 + 160 / 48 / 2, y, 80 - 160 / 32 / 2)
        np.testing.assert_allclose([float(v) for v in image.ImagePositionPatient], expected, atol=1e-9)
        assert float(image.SliceLocation) == pytest.approx(y)
    assert [float(v) for v in images[0].ImageOrientationPatient] == [1, 0, 0, 0, 0, -1]
    assert [float(v) for v in images[0].PixelSpacing] == [pytest.approx(5.0), pytest.approx(160 / 48)]
    assert float(images[0].SpacingBetweenSlices) == pytest.approx(12.25)


def test_every_image_says_that_it_is_synthetic(written):
    for image in written[2]:
        assert list(image.ImageType)[:2] == ["DERIVED", "SECONDARY"]
        assert "SYNTHETIC" in image.SeriesDescription
        assert "SYNTHETIC" in image.StudyDescription
        assert image.ContentQualification == "RESEARCH"
        assert image.BurnedInAnnotation == "NO"
        assert "not for diagnosis" in image.DerivationDescription
        assert "not for diagnosis" in image.ImageComments
        assert "seed 3" in image.DerivationDescription
        assert image.ScanningSequence == "RM"
        assert image.EchoTime is None
        assert image.Laterality == "L"


def test_the_images_conform_to_the_mr_image_of_the_standard(written):
    """Required attributes are there and no other object's attributes are, by the tables that highdicom carries."""
    tables = pytest.importorskip("highdicom._standard_utils")
    modules = {module["key"]: module["usage"] for module in tables.get_iod_module_map()["mr-image"]}
    attributes = tables.get_module_attribute_map()
    for image in (written[2][0], written[2][-1]):
        known = {one["keyword"] for key in modules for one in attributes[key] if not one["path"]}
        assert {element.keyword for element in image} <= known
        for key in (key for key, usage in modules.items() if usage == "M"):
            for one in attributes[key]:
                if not one["path"] and one["type"] in ("1", "2"):
                    assert one["keyword"] in image, one["keyword"]
                    assert one["type"] == "2" or image[one["keyword"]].value not in (None, ""), one["keyword"]


def test_numbers_of_the_series(written):
    _, files, images = written
    assert [image.InstanceNumber for image in images] == list(range(1, 8))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "SOPClassUID"):
        assert len({image[keyword].value for image in images}) == 1
    assert len({image.SOPInstanceUID for image in images}) == 7
    for image in images:
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert image.SeriesInstanceUID.startswith("2.25.")
    assert sorted(path.name for path in files[0].parent.iterdir()) == [path.name for path in files]


def test_two_exports_share_no_number(tmp_path):
    numbers = []
    for name in ("a", "b"):
        image = pydicom.dcmread(write_dicom_series(asymmetric_volume(2), tmp_path / name)[0])
        numbers.append({image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID, image.PatientID})
    assert not numbers[0] & numbers[1]


def test_the_source_radiograph_is_named_but_not_its_patient(written, radiograph):
    source = pydicom.dcmread(radiograph)
    for image in written[2]:
        [reference] = image.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert reference.ReferencedSOPClassUID == source.SOPClassUID
        [study] = image.StudiesContainingOtherReferencedInstancesSequence
        assert study.StudyInstanceUID == "1.2.3.4"
        assert image.StudyInstanceUID != source.StudyInstanceUID
        assert image.LossyImageCompression == "01"
        text = str(image)
        for word in ("Doe", "PID-4711", "19500102", "ACC-17"):
            assert word not in text


def test_identifiers_only_when_asked_for(tmp_path, radiograph):
    image = pydicom.dcmread(
        write_dicom_series(volume_from(radiograph), tmp_path / "s", radiograph=radiograph, keep_identifiers=True)[0]
    )
    assert image.PatientName == "Doe^Jané"
    assert (image.PatientID, image.PatientBirthDate, image.AccessionNumber) == ("PID-4711", "19500102", "ACC-17")
    assert image.StudyInstanceUID == "1.2.3.4"
    assert image.SeriesInstanceUID != "1.2.3.4.5"
    assert image.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.4.5"
    assert "SYNTHETIC" in image.SeriesDescription


def test_times_of_the_radiograph_keep_their_own_clock(tmp_path):
    """An offset from UTC holds for every time of an image, so that none may stand beside the radiograph's study
    time."""
    radiograph = write_dicom(tmp_path / "f.dcm", sample_pixels(), StudyDate="20200101", StudyTime="083000", **PATIENT)
    volume = volume_from(radiograph)
    joined = pydicom.dcmread(
        write_dicom_series(volume, tmp_path / "a", radiograph=radiograph, keep_identifiers=True)[0]
    )
    assert (joined.StudyDate, joined.StudyTime) == ("20200101", "083000")
    assert "TimezoneOffsetFromUTC" not in joined
    assert joined.SeriesDate != joined.StudyDate
    alone = pydicom.dcmread(write_dicom_series(volume, tmp_path / "b", radiograph=radiograph)[0])
    assert alone.TimezoneOffsetFromUTC == "+0000"


def test_a_radiograph_that_is_no_dicom_leaves_no_reference(tmp_path, knee_radiograph):
    image = pydicom.dcmread(write_dicom_series(asymmetric_volume(2), tmp_path / "s", radiograph=knee_radiograph)[0])
    assert "SourceImageSequence" not in image


def test_folders_with_files_are_left_alone(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "other.dcm").write_text("keep me", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"):
        write_dicom_series(asymmetric_volume(2), tmp_path / "s")
    assert [path.name for path in tmp_path.rglob("*")] == ["s", "other.dcm"]


def test_nothing_is_left_of_a_failure(tmp_path, monkeypatch):
    saved = pydicom.dataset.Dataset.save_as

    def full_disk(self, path, **options):
        if path.name == "slice_003.dcm":
            raise OSError(28, "No space left on device", str(path))
        return saved(self, path, **options)

    monkeypatch.setattr(pydicom.dataset.Dataset, "save_as", full_disk)
    with pytest.raises(ProcessingError, match="not enough disk space"):
        write_dicom_series(asymmetric_volume(5), tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_series_leaves_nothing(tmp_path):
    asked = []

    def after_three() -> bool:
        asked.append(len(list(tmp_path.glob(".xray2mri-*/*.dcm"))))
        return len(asked) > 3

    with pytest.raises(Cancelled):
        write_dicom_series(asymmetric_volume(5), tmp_path / "s", should_cancel=after_three)
    assert asked == [0, 1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_a_model_name_stays_one_value(tmp_path):
    volume = asymmetric_volume(2, model={"name": "org\\model" + "x" * 90})
    image = pydicom.dcmread(write_dicom_series(volume, tmp_path / "s")[0])
    assert isinstance(image.ManufacturerModelName, str)
    assert len(image.ManufacturerModelName) == 64


def test_a_missing_radiograph_is_named(tmp_path):
    with pytest.raises(InputError, match=r"radiograph none\.dcm cannot be read"):
        write_dicom_series(asymmetric_volume(2), tmp_path / "s", radiograph=tmp_path / "none.dcm")
    assert list(tmp_path.iterdir()) == []
