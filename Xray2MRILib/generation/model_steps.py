"""A model's default number of denoising steps, read from its card before heavy libraries load."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..diffusion.sampling_settings import SamplingSettings
from ..errors import Xray2MRIError
from ..files.resources import resource_path
from .settings import SETTINGS

_CARD = "model_card.json"


def steps_of_model(model: str | os.PathLike[str] = SETTINGS["model"].default) -> int:
    """A model's default number of denoising steps: the one in its card, else 20.

    Also 20 if the model is not on this disk or its card cannot be read; loading the model reports such a fault.
    """
    try:
        folder = resource_path(f"models/{model}") if model == SETTINGS["model"].default else Path(model)
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        steps: Any = SamplingSettings().for_model(card).num_inference_steps
    except (OSError, ValueError, AttributeError, TypeError, Xray2MRIError):
        steps = SETTINGS["steps"].fallback
    return steps
