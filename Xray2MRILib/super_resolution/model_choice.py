"""Which network enhances: a shipped one, a folder, or none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, ProcessingError
from ..files.resources import resource_path

if TYPE_CHECKING:
    from .enhancement_network import EnhancementUNet

DEFAULT_MODEL = "enhance-compact"
INTERPOLATION = "interpolation"
_CONFIG = "config.json"
_TRAIN = "Train one with xray2mri train super-resolution-student, or choose the model interpolation, which needs none."


def check_enhancement_model(model: str, *, teacher: bool = False) -> None:
    """Refuse a model that is not there, before any work is spent on it. Raises InputError (``no-such-model``)."""
    if model != INTERPOLATION:
        _folder(model, teacher)
    elif teacher:
        raise InputError("Interpolation has no teacher.", code="bad-option", hint="Choose a model.", field="model")


def load_enhancement_network(model: str, *, teacher: bool = False) -> EnhancementUNet | None:
    """The network of a name or folder in evaluation mode; None for ``INTERPOLATION``.

    Raises InputError (``no-such-model``), and ProcessingError for missing or altered weights.
    """
    check_enhancement_model(model, teacher=teacher)
    if model == INTERPOLATION:
        return None
    import torch

    from .enhancement_network import EnhancementUNet

    network = EnhancementUNet.from_pretrained(_folder(model, teacher))
    if network.is_teacher != teacher:
        holds, wanted = ("teacher", "student") if network.is_teacher else ("student", "teacher")
        raise InputError(
            f"The model {Path(model).name} is a {holds}, not a {wanted}.",
            code="other-model",
            hint="Ask for the teacher to use one." if network.is_teacher else "Choose the folder of a teacher.",
            field="model",
        )
    return network.to(memory_format=torch.channels_last)


def _folder(model: str, teacher: bool) -> Path:
    """The network's own folder: within a model folder, of a training run, or named itself."""
    kind = "teacher" if teacher else "student"
    if model == DEFAULT_MODEL:
        try:
            return resource_path(f"models/{model}/{kind}")
        except ProcessingError:
            raise InputError(
                f"The weights of the {kind} of {DEFAULT_MODEL} are not part of this installation.",
                code="no-such-model",
                hint=_TRAIN if not teacher else "Train one with xray2mri train super-resolution.",
                field="model",
            ) from None
    folder = Path(model)
    for inner in (folder / kind, folder / "model", folder):
        if os.path.isfile(inner / _CONFIG):  # False for a name that is too long
            return inner
    raise InputError(f"There is no model {folder.name!r}.", code="no-such-model", hint=_TRAIN, field="model")
