"""The section on the agreement with the radiograph in the provenance of a generated volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..volume.geometry import OAI_FIELD
from .consistency import reprojection_consistency
from .reference_outlines import reference_outlines
from .registration_frame import find_mismatch

if TYPE_CHECKING:
    from ..preparation.joint_crop import PreparedRadiograph
    from ..volume.pseudo_mri import PseudoMRI

CAUTION = "Agreement with the radiograph does not prove that the volume is correct."


def reprojection_record(volume: PseudoMRI, radiograph: PreparedRadiograph, pipeline: Any) -> dict[str, Any]:
    """The section ``reprojection`` of the provenance.

    ``applies`` is False, with a ``reason``, when the model's volumes are not in the frame of the radiograph or too
    small for a projection. Otherwise the section contains the values of reprojection_consistency for the own and other
    patients' radiographs and a ``summary`` in words. It suits JSON and contains no identifiers.
    """
    reason = find_mismatch(pipeline)
    if reason is None:
        slices = volume.depth_slices()
        if len(slices) < 8 or slices.shape[1:] != OAI_FIELD.slice_shape:
            reason = "The volume has too few slices, or slices of the wrong size, for a projection of its bones."
    if reason is not None:
        return {"applies": False, "reason": reason, "summary": f"Not applicable: {reason}"}
    record = reprojection_consistency(slices, radiograph.image, reference_outlines())
    return {"applies": True, "summary": summarise_agreement(record), **record}


def summarise_agreement(record: dict[str, Any]) -> str:
    """Summarise a record of reprojection_consistency in one to three sentences."""
    others = record.get("other_films", {}).get("as_placed", {})
    parts = []
    for part, words in (("joint_line", "Joint line"), ("outline", "Sides of the bones")):
        own = record["as_placed"][f"{part}_mm"]
        if own is None:
            parts.append(f"{words}: not measured.")
            continue
        sentence = f"{words}: own radiograph {own:.1f} mm"
        if others.get(f"{part}_of"):
            sentence += (
                f"; median of other patients' radiographs {others[f'{part}_mm']:.1f} mm; "
                f"own is closer than {others[f'{part}_farther']} of {others[f'{part}_of']}"
            )
        parts.append(f"{sentence}.")
    return " ".join((*parts, CAUTION))
