"""Check that a model's volumes are in the frame of the radiograph, which a reprojection requires."""

from __future__ import annotations

from typing import Any

from ..volume.geometry import CROP_FRAME, CropFrame


def find_mismatch(pipeline: Any) -> str | None:
    """The reason why the pipeline's slices are not in the frame of the joint crop, as a sentence; None if they are.

    The pipeline is an Xray2MRIPipeline or CaePipeline. A CAE generator is always trained in the radiograph's frame; for
    other models the configuration of the radiograph encoder decides.
    """
    encoder = getattr(pipeline, "radiograph_encoder", None)
    if encoder is None:
        if getattr(pipeline, "generator", None) is not None:
            return None
        return "The model does not state how its slices are registered to the radiograph."
    config = encoder.config
    if not config.field_placement:
        return "The model does not register the radiograph to its slices (field_placement is off)."
    if CropFrame(config.span_mm, (config.centre_row, config.centre_column)) != CROP_FRAME:
        return "The model registers radiograph and slices in another frame than the training pairs."
    return None
