"""Whether a model lays its volumes into the frame of the radiograph, without which nothing can be projected back."""

from __future__ import annotations

from typing import Any

from ..volume.geometry import CROP_FRAME, CropFrame


def why_not_shared(pipeline: Any) -> str | None:
    """None when rows and columns of the pipeline's slices are those of the joint crop; else a sentence that says why.

    The pipeline is an Xray2MRIPipeline or CaePipeline. A CAE generator learns in the radiograph's frame; for other
    models the configuration of the radiograph encoder tells.
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
