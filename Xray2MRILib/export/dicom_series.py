"""A pseudo-MRI volume as a DICOM series: one classic single-frame MR image a slice, marked as synthetic throughout.

Classic MR Image Storage and not Enhanced MR, Parametric Map or Secondary Capture: 3D Slicer's scalar plugin, GDCM and
about every viewer and archive place its slices in space, while Enhanced MR is still unknown to many viewers, Parametric
Maps are to most, and Secondary Capture has no geometry of its own.

What tells that it is no acquisition (PS3.3 C.8.3.1, C.7.6.1, C.12.1): ImageType DERIVED, SECONDARY, OTHER, SYNTHETIC;
SYNTHETIC in the descriptions of series and study; sequence RM (research mode) without echo or repetition time; content
qualification RESEARCH; a derivation description. The stored integers are those of the volume files; a real-world value
mapping turns them into grey values, because a rescale slope is not part of the MR image.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import Cancelled, InputError
from ..files.new_folder import NewFolder
from ..preparation.recorded_radiograph import require_radiograph
from ..volume import geometry
from ..volume.intensity_mapping import STANDARD_MAPPING, STORED_MAXIMUM
from ..volume.provenance import notice
from .source_radiograph import SourceRadiograph, code

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..volume.pseudo_mri import PseudoMRI

SERIES_DESCRIPTION = "SYNTHETIC pseudo-MRI of a radiograph, not for diagnosis"
STUDY_DESCRIPTION = "SYNTHETIC images (research)"
_SERIES_NUMBER = 900
_BYTES_PER_HEADER = 6_000


def write_dicom_series(
    volume: PseudoMRI,
    folder: str | Path,
    *,
    radiograph: str | Path | None = None,
    keep_identifiers: bool = False,
    should_cancel: Callable[[], bool] | None = None,
) -> list[Path]:
    """Write the volume as ``slice_001.dcm`` ... into a new or empty folder; returns the files, most anterior first.

    Parameters
    ----------
    radiograph
        The radiograph that the volume was made from. When it is a DICOM file the images refer to it.
    keep_identifiers
        Take over patient and study from that DICOM radiograph, so that the series joins its study. Otherwise the images
        belong to a new, nameless patient. Refused without a DICOM radiograph.
    should_cancel
        Asked before every image.

    All UIDs are new. The folder appears complete or not at all. Raises InputError for a folder that holds files or
    cannot be written, and for a radiograph that cannot be read or is not the one that the volume records (see
    preparation.recorded_radiograph); ProcessingError when writing fails, Cancelled.
    """
    folder = Path(folder)
    source = None if radiograph is None else SourceRadiograph.read(radiograph)
    if source is not None and radiograph is not None:
        require_radiograph(volume.provenance, radiograph)
    elif keep_identifiers:
        raise _no_patient(radiograph)
    stored = STANDARD_MAPPING.to_stored(volume.shown).astype("<u2")
    common = common_elements(volume, source, keep_identifiers)
    names = [f"slice_{index + 1:03d}.dcm" for index in range(volume.num_slices)]
    needed = stored.nbytes + volume.num_slices * _BYTES_PER_HEADER
    with NewFolder(folder, needed) as temporary:
        for index, name in enumerate(names):
            if should_cancel is not None and should_cancel():
                raise Cancelled("Cancelled before the series was complete.")
            slice_image(common, volume, stored[index], index).save_as(temporary / name, enforce_file_format=True)
    return [folder / name for name in names]


def _no_patient(radiograph: str | Path | None) -> InputError:
    fault = "no radiograph is given" if radiograph is None else f"the radiograph {Path(radiograph).name} is not DICOM"
    return InputError(
        f"There are no identifiers to keep: {fault}.",
        code="no-identifiers",
        hint="Give the DICOM radiograph that the volume was made from, or go without identifiers.",
    )


def common_elements(volume: PseudoMRI, source: SourceRadiograph | None, keep_identifiers: bool) -> Dataset:
    """Everything that the images of one series share."""
    from pydicom.dataset import Dataset
    from pydicom.uid import MRImageStorage, generate_uid

    common = Dataset()
    _add_patient_and_study(common)
    _add_series(common, volume)
    _add_meaning(common, volume)
    _add_scan(common)
    common.SOPClassUID = MRImageStorage
    common.SeriesInstanceUID, common.FrameOfReferenceUID = generate_uid(None), generate_uid(None)
    common.PositionReferenceIndicator = ""
    if source is not None:
        if keep_identifiers:
            source.add_identifiers(common)
        source.add_lossy_history(common)
        source.add_references(common)
    return common


def slice_image(common: Dataset, volume: PseudoMRI, stored: np.ndarray, index: int) -> Dataset:
    """The image of one slice; ``stored`` is [H, W] uint16, ``index`` its place in file order."""
    import copy

    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    image = copy.deepcopy(common)
    image.SOPInstanceUID = generate_uid(None)
    image.InstanceNumber = index + 1
    columns_mm, rows_mm, pitch_mm = volume.spacing
    axes = np.reshape(volume.direction, (3, 3))
    position = np.asarray(volume.origin) + axes[:, 2] * pitch_mm * index
    image.ImagePositionPatient = [_decimal(value) for value in position]
    image.ImageOrientationPatient = [_decimal(value) for value in (*axes[:, 0], *axes[:, 1])]
    image.SliceLocation = _decimal(position @ axes[:, 2])
    image.SliceThickness = _decimal(geometry.OAI_FIELD.slice_thickness_mm)
    image.SpacingBetweenSlices = _decimal(pitch_mm)
    image.PixelSpacing = [_decimal(rows_mm), _decimal(columns_mm)]

    image.Rows, image.Columns = stored.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = np.ascontiguousarray(stored, "<u2").tobytes()
    image["PixelData"].VR = "OW"
    image.WindowCenter, image.WindowWidth = _decimal((STORED_MAXIMUM + 1) / 2), _decimal(STORED_MAXIMUM + 1)
    image.WindowCenterWidthExplanation = "full range"

    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image


def _add_patient_and_study(image: Dataset) -> None:
    from pydicom.uid import generate_uid

    now = datetime.datetime.now(datetime.timezone.utc)
    # a number of its own keeps archives from merging the volumes of different people
    image.PatientName, image.PatientID = "SYNTHETIC^XRAY2MRI", f"XRAY2MRI-{secrets.token_hex(6).upper()}"
    image.PatientBirthDate = image.PatientSex = ""
    image.StudyInstanceUID, image.StudyID = generate_uid(None), ""
    image.StudyDate = image.SeriesDate = image.ContentDate = now.strftime("%Y%m%d")
    image.StudyTime = image.SeriesTime = image.ContentTime = now.strftime("%H%M%S")
    image.TimezoneOffsetFromUTC = "+0000"
    image.AccessionNumber = image.ReferringPhysicianName = ""
    image.StudyDescription = STUDY_DESCRIPTION
    image.SpecificCharacterSet = "ISO_IR 192"


def _add_series(image: Dataset, volume: PseudoMRI) -> None:
    from .. import __version__

    image.Modality = "MR"
    image.SeriesNumber = _SERIES_NUMBER
    image.SeriesDescription = SERIES_DESCRIPTION
    image.ProtocolName = "SYNTHETIC"
    image.BodyPartExamined = "KNEE"
    image.Laterality = "L" if volume.side == "left" else "R"
    image.PatientPosition = "HFS"  # nominal, as the whole pose
    image.Manufacturer = "Xray2MRI (research software)"
    model = volume.provenance.get("model") or {}
    image.ManufacturerModelName = _text(f"Xray2MRI model {model.get('name') or 'unknown'}")
    image.SoftwareVersions = __version__


def _add_meaning(image: Dataset, volume: PseudoMRI) -> None:
    """What the images are, in every place where a viewer may look."""
    from pydicom.dataset import Dataset

    from ..rendering.montage import describe_origin

    image.ImageType = ["DERIVED", "SECONDARY", "OTHER", "SYNTHETIC"]
    image.ContentQualification = "RESEARCH"
    image.BurnedInAnnotation = "NO"
    image.RecognizableVisualFeatures = "NO"
    image.ImageComments = notice()
    image.DerivationDescription = f"{notice()} {describe_origin(volume.provenance)}"[:1024]
    mapping = Dataset()
    mapping.LUTLabel, mapping.LUTExplanation = "GREY", "Grey value relative to the volume, without unit"
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, STORED_MAXIMUM
    mapping["RealWorldValueFirstValueMapped"].VR = mapping["RealWorldValueLastValueMapped"].VR = "US"
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = STANDARD_MAPPING.slope, STANDARD_MAPPING.intercept
    mapping.MeasurementUnitsCodeSequence = [code("1", "UCUM", "no units")]
    image.RealWorldValueMappingSequence = [mapping]


def _add_scan(image: Dataset) -> None:
    """The part on the scan that never was: required attributes are there, and empty where the standard lets them be."""
    image.ScanningSequence, image.SequenceVariant = "RM", "NONE"
    image.ScanOptions = image.MRAcquisitionType = ""
    image.RepetitionTime = image.EchoTime = image.EchoTrainLength = None


def _text(words: str) -> str:
    """A text of VR LO: at most 64 characters, no backslash, which would begin another value."""
    return words.replace("\\", "/")[:64]


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (VR DS), as exact as that allows."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value) + 0.0)
