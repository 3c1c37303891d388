"""Where a model is: shipped, in a folder, or on the Hugging Face hub. Nothing heavy is imported to find out."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import InputError, ProcessingError
from ..files.checksums import PICKLE_ENDINGS, pickle_error
from ..files.resources import resource_path

SHIPPED = ("compact",)
_HUB_FILES = ["*.json", "*.safetensors"]
_YES = {"1", "ON", "YES", "TRUE"}


def locate_model(model: str | os.PathLike[str]) -> Path:
    """Folder of a shipped model's name, a local folder, or a Hugging Face hub id (fetched into the hub's own cache).

    Raises InputError when it is none of these, ProcessingError when the hub cannot be reached.
    """
    found = _local(model)
    return _fetched(os.fspath(model)) if found is None else found


def check_model(model: str | os.PathLike[str]) -> None:
    """Refuse a model that cannot be had, before any work is spent on it; fetches one that is not here yet.

    Raises as ``locate_model`` does. A hub model that is in the cache already is not asked for again.
    """
    if _local(model) is None and not _is_cached(os.fspath(model)):
        _fetched(os.fspath(model))


def _local(model: str | os.PathLike[str]) -> Path | None:
    """The folder of a model on this machine; None for the name of one on the hub."""
    text = os.fspath(model)
    if text in SHIPPED:
        return resource_path(f"models/{text}")
    path = Path(text)
    if text and os.path.isdir(path):  # unlike pathlib's, these functions answer for names that are too long as well
        return path
    if os.path.isfile(path) and path.suffix.lower() in PICKLE_ENDINGS:
        raise pickle_error(path.name)
    if os.path.exists(path) or not re.fullmatch(r"[\w.-]+/[\w.-]+", text) or ".." in text:
        raise InputError(
            f"There is no model {path.name!r}.",
            code="no-such-model",
            hint="Give 'compact', the folder of a saved model, or a hub name such as 'owner/model'.",
            field="model",
        )
    return None


def _is_cached(hub_id: str) -> bool:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(hub_id, allow_patterns=_HUB_FILES, local_files_only=True)
    except Exception:  # as below
        return False
    return True


def _fetched(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client raises many kinds, which differ between its versions
        switch = _offline_switch()
        if switch:
            raise ProcessingError(
                f"The model {hub_id} is no folder here, and offline mode is on ({switch}), so that it is not fetched.",
                code="model-not-fetched",
                hint="Switch offline mode off, or give the folder of a saved model.",
                field="model",
            ) from error
        raise ProcessingError(
            f"The model {hub_id} is no folder here and could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}).",
            code="model-not-fetched",
            hint="Check the name and the network, or give the folder of a saved model.",
            field="model",
        ) from error


def _offline_switch() -> str:
    """The setting that keeps the hub's client from the network, empty when there is none."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").upper() in _YES:
            return name
    from huggingface_hub import constants

    return "HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else ""
