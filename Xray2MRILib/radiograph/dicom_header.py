"""What a DICOM header tells about a radiograph: is it a radiograph, of which side, in which view, how it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import Notice
from .image_attributes import photometric_term
from .laterality import side_from_words
from .orientation import NOT_FRONTAL, steps_to_upright
from .refusals import lacking, unreadable

# computed and digital radiography, their older or looser names, and what scanned or re-exported radiographs carry
_RADIOGRAPH_MODALITIES = ("CR", "DX", "DR", "RG", "RF", "XA", "OT", "SC", "HC", "XC", "")
_OTHER_OBJECTS = {
    "CT": "a CT slice",
    "MR": "an MR slice",
    "PT": "a PET slice",
    "NM": "a scintigram",
    "US": "an ultrasound image",
    "MG": "a mammogram",
    "SR": "a structured report",
    "PR": "a presentation state",
    "KO": "a list of key objects",
    "SEG": "a segmentation",
    "RTSTRUCT": "a radiotherapy object",
    "DOC": "an encapsulated document",
    "ECG": "a waveform",
}
_OTHER_CLASSES = {
    "1.2.840.10008.1.3.10": "an index of files (DICOMDIR)",
    "1.2.840.10008.5.1.4.1.1.2": "a CT slice",
    "1.2.840.10008.5.1.4.1.1.2.1": "a CT volume",
    "1.2.840.10008.5.1.4.1.1.4": "an MR slice",
    "1.2.840.10008.5.1.4.1.1.4.1": "an MR volume",
    "1.2.840.10008.5.1.4.1.1.104.1": "an encapsulated PDF document",
}
_VIEWS = ("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LAT", "LATERAL")
_LATERAL_WORDS = ("LATERAL", "LAT", "SKYLINE", "SUNRISE", "MERCHANT", "AXIAL")
_OTHER_BODY_PARTS = (
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CHEST", "CLAVICLE", "CSPINE", "ELBOW", "FINGER", "FOOT", "FOREARM", "HAND",
    "HEAD", "HEEL", "HIP", "HUMERUS", "JAW", "LSPINE", "NECK", "PELVIS", "RIB", "SCAPULA", "SHOULDER", "SKULL", "SPINE",
    "STERNUM", "THORAX", "THUMB", "TOE", "TSPINE", "WRIST",
)  # fmt: skip
_ENGLISH = {"L": "left", "R": "right", "B": "both"}


def check_is_radiograph(dataset: Any, name: str, has_pixels: Callable[[], bool] = lambda: False) -> None:
    """Refuse reports, slices of volumes, several frames and files without picture, from the header alone.

    ``has_pixels`` is asked only when the size of the picture is missing.
    """
    meta = getattr(dataset, "file_meta", None) or {}
    sop_class = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    modality = str(dataset.get("Modality") or "").strip().upper()
    other = _OTHER_CLASSES.get(sop_class) or _OTHER_OBJECTS.get(modality)
    if other is None and modality not in _RADIOGRAPH_MODALITIES:
        other = "a DICOM object of another kind"
    if other is not None:
        raise unreadable(
            name,
            f"is {other}, not a radiograph",
            "Choose the plain radiograph of the knee (CR, DX or DR).",
            "not-a-radiograph",
        )
    if len(dataset) == 0:
        raise unreadable(name, "is not a DICOM file or is damaged", "Copy or export it again.", "damaged-radiograph")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise unreadable(name, f"contains {frames} frames", "Export one frame as a single image.", "multi-frame")
    missing = [keyword for keyword in ("Rows", "Columns") if not dataset.get(keyword)]
    if missing and has_pixels():
        raise lacking(name, " and ".join(missing))
    if missing:
        locked = "EncryptedAttributesSequence" in dataset
        raise unreadable(
            name,
            "is encrypted" if locked else "contains no image",
            "Export it without encryption." if locked else "Choose the image file of the study.",
            "protected-radiograph" if locked else "not-a-radiograph",
        )


def header_side(dataset: Any) -> tuple[str | None, str | None]:
    """ "left", "right", "both" or None, and the field that says so; laterality fields come before descriptions."""
    for keyword in ("ImageLaterality", "Laterality"):
        side = _ENGLISH.get(str(dataset.get(keyword) or "").strip().upper()[:1])
        if side:
            return side, keyword
    for keyword in ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "StudyDescription"):
        side = side_from_words(str(dataset.get(keyword) or ""))
        if side:
            return side, keyword
    return None, None


def view_position(dataset: Any) -> str | None:
    """The defined term of ViewPosition; None when absent or free text, which might name someone."""
    term = str(dataset.get("ViewPosition") or "").strip().upper()
    return term if term in _VIEWS else None


def header_warnings(dataset: Any) -> list[str]:
    """Sentences about a header that does not describe a frontal knee; it may be wrong, so they are no refusals."""
    found = []
    part = "".join(str(dataset.get("BodyPartExamined") or "").upper().split())
    if part in _OTHER_BODY_PARTS:
        found.append(f"According to its header this radiograph shows another body part ({part.lower()}).")
    words = set(str(dataset.get("SeriesDescription") or "").upper().replace(",", " ").replace("_", " ").split())
    view = view_position(dataset)
    if (view and view not in ("AP", "PA")) or words.intersection(_LATERAL_WORDS) or orientation_steps(dataset) is None:
        found.append(NOT_FRONTAL)
    return found


def orientation_steps(dataset: Any) -> list[str] | None:
    """Steps that turn the radiograph upright by PatientOrientation; empty when it says nothing, None when not
    frontal."""
    value = dataset.get("PatientOrientation")
    if value is None or isinstance(value, (str, bytes)) or len(value) != 2:
        return []
    across, down = (str(item).strip().upper()[:1] for item in value)
    if across not in tuple("LRAPHF") or down not in tuple("LRAPHF"):
        return []
    return steps_to_upright(across, down)


def photometric_sense(dataset: Any) -> tuple[str | None, list[str]]:
    """MONOCHROME1 or MONOCHROME2, and warnings; None when the header does not say or contradicts itself.

    PresentationLUTShape repeats PhotometricInterpretation: INVERSE goes with MONOCHROME1 alone (PS3.3 C.8.11.3.1.2).
    PixelIntensityRelationshipSign tells whether bone has low values (1: values grow with the rays) or high ones (-1).
    """
    term = photometric_term(dataset)
    if term not in ("MONOCHROME1", "MONOCHROME2"):
        return None, []
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != (term == "MONOCHROME1"):
        other = f"PresentationLUTShape {shape}"
    elif str(dataset.get("PixelIntensityRelationshipSign", "")).strip() == ("1" if term == "MONOCHROME2" else "-1"):
        other = f"PixelIntensityRelationshipSign {dataset.PixelIntensityRelationshipSign}"
    else:
        return term, []
    sentence = f"The header contradicts itself ({term}, {other}); the picture decided whether bone is bright or dark."
    return None, [Notice(sentence, field="photometric")]


def pixel_aspect(dataset: Any) -> float | None:
    """Height of a pixel divided by its width, from the pixel spacing or PixelAspectRatio; None when unknown."""
    spacing = pixel_spacing_mm(dataset)
    if spacing is not None:
        return spacing[0] / spacing[1]
    try:
        vertical, horizontal = (float(item) for item in dataset.get("PixelAspectRatio") or ())
        return vertical / horizontal
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def pixel_spacing_mm(dataset: Any) -> tuple[float, float] | None:
    """(row, column) pixel distance in the detector plane; the calibrated or nominal one where that is missing."""
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        try:
            row, column = (float(item) for item in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if 0 < row < 10 and 0 < column < 10:
            return row, column
    return None
