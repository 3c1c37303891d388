"""What a DICOM series of a pseudo-MRI takes over from the radiograph that it was made from, when that radiograph is
DICOM."""

from __future__ import annotations

import datetime
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# patient and study of the radiograph, which tell whose knee it is
_IDENTIFIERS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


@dataclass(frozen=True)
class SourceRadiograph:
    """The header of a DICOM radiograph."""

    header: Dataset

    @classmethod
    def read(cls, path: str | Path) -> SourceRadiograph | None:
        """The radiograph at a path, None when it is no DICOM file.

        Raises InputError when there is no such file, or a DICOM file without the numbers that identify an image.
        """
        import pydicom
        from pydicom.errors import InvalidDicomError

        path = Path(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = pydicom.dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            return None
        except OSError as error:
            raise InputError(
                f"The radiograph {path.name} cannot be read: {error.strerror or 'damaged file'}.",
                code="unreadable-radiograph",
                hint="Give the radiograph that the volume was made from.",
            ) from None
        if not header.get("SOPInstanceUID") or not header.get("SOPClassUID"):
            raise InputError(
                f"The radiograph {path.name} is a DICOM file without the SOP instance UID that the series needs.",
                code="unreadable-radiograph",
                hint="Give the original file, or no radiograph.",
            )
        return cls(header)

    def add_references(self, image: Dataset) -> None:
        """Name the radiograph as the source of an image (PS3.3 C.12.4, C.12.2)."""
        from pydicom.dataset import Dataset

        radiograph = Dataset()
        radiograph.ReferencedSOPClassUID = self.header.SOPClassUID
        radiograph.ReferencedSOPInstanceUID = self.header.SOPInstanceUID
        source = Dataset()
        source.update(radiograph)
        source.SpatialLocationsPreserved = "NO"
        source.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
        image.SourceImageSequence = [source]
        if not self.header.get("SeriesInstanceUID") or not self.header.get("StudyInstanceUID"):
            return
        series = Dataset()
        series.SeriesInstanceUID = self.header.SeriesInstanceUID
        series.ReferencedInstanceSequence = [radiograph]
        if self.header.StudyInstanceUID == image.StudyInstanceUID:
            image.ReferencedSeriesSequence = [series]
        else:
            study = Dataset()
            study.StudyInstanceUID = self.header.StudyInstanceUID
            study.ReferencedSeriesSequence = [series]
            image.StudiesContainingOtherReferencedInstancesSequence = [study]

    def add_lossy_history(self, image: Dataset) -> None:
        """A picture once compressed with loss stays marked as such (PS3.3 C.7.6.1.1.5)."""
        if self.header.get("LossyImageCompression") == "01":
            self._copy(_LOSSY, image)

    def add_identifiers(self, image: Dataset) -> None:
        """Put patient and study of the radiograph into an image, which so joins the radiograph's study."""
        self._copy(_IDENTIFIERS, image)
        if self.header.get("StudyTime"):
            # one offset holds for all times of an image, and the radiograph's are those of its hospital's clock
            del image.TimezoneOffsetFromUTC
            now = datetime.datetime.now()
            image.SeriesDate = image.ContentDate = now.strftime("%Y%m%d")
            image.SeriesTime = image.ContentTime = now.strftime("%H%M%S")
        if self.header.get("SpecificCharacterSet"):
            image.SpecificCharacterSet = "ISO_IR 192"  # pydicom has decoded the texts and writes them anew

    def _copy(self, keywords: tuple[str, ...], image: Dataset) -> None:
        for keyword in keywords:
            value = self.header.get(keyword)
            if value not in (None, ""):
                setattr(image, keyword, value)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
