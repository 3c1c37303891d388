"""What a generated volume's provenance says of its agreement with the radiograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..volume.geometry import OAI_FIELD
from .consistency import reprojection_consistency
from .reference_outlines import reference_outlines
from .registration_frame import why_not_shared

if TYPE_CHECKING:
    from ..preparation.joint_crop import PreparedRadiograph
    from ..volume.pseudo_mri import PseudoMRI

CAUTION = "Agreement with the radiograph is no proof that the volume is right."


def reprojection_record(volume: PseudoMRI, radiograph: PreparedRadiograph, pipeline: Any) -> dict[str, Any]:
    """The section ``reprojection`` of the provenance.

    ``applies`` is False, with a ``reason``, when the model's volumes do not lie in the frame of the radiograph or are
    too small to be projected; otherwise the figures of reprojection_consistency beside those of other people's
    radiographs, with a ``summary`` in words. JSON-able, free of identifiers.
    """
    reason = why_not_shared(pipeline)
    if reason is None:
        slices = volume.depth_slices()
        if len(slices) < 8 or slices.shape[1:] != OAI_FIELD.slice_shape:
            reason = "The volume has too few slices, or slices of another size, to project its bones."
    if reason is not None:
        return {"applies": False, "reason": reason, "summary": f"Not applicable: {reason}"}
    record = reprojection_consistency(slices, radiograph.image, reference_outlines())
    return {"applies": True, "summary": in_words(record), **record}


def in_words(record: dict[str, Any]) -> str:
    """One to three sentences on a record of reprojection_consistency."""
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
                f"; other people's radiographs median {others[f'{part}_mm']:.1f} mm; "
                f"own is closer than {others[f'{part}_farther']} of {others[f'{part}_of']}"
            )
        parts.append(f"{sentence}.")
    return " ".join((*parts, CAUTION))
