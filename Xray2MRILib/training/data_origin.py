"""What a training's data really were, for the card of its model: simulated knees, or pairs of real people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.json_files import write_json
from ..simulation.pairs.pair_store import read_record
from .data.training_knee import list_training_pairs
from .warm_start import model_part

CARD, NOTE = "model_card.json", "training_data.json"
SIMULATED = "simulated knees made by this project; no patient's MRI"
OWN_LICENCE = "Apache-2.0"
UNKNOWN_LICENCE = "not stated: the terms of the training data and of the initial weights apply"
UNKNOWN = "pairs of unknown origin"


@dataclass(frozen=True)
class DataOrigin:
    """Text for the card's ``training_data``, and whether all of it was simulated by this project."""

    text: str
    simulated: bool

    @property
    def licence(self) -> str:
        """The licence that a model of this data can have without asking others."""
        return OWN_LICENCE if self.simulated else UNKNOWN_LICENCE


def describe_pairs(folder: Path) -> DataOrigin:
    """The origin of a folder of pairs: what its manifest says, or its first pair when it has none."""
    source = _json_object(folder / "manifest.json").get("source")
    if isinstance(source, str) and source:
        return DataOrigin(" ".join(source.split())[:500], simulated=False)
    try:
        read_record(list_training_pairs(folder)[0])  # only a simulated pair has its simulator's parameters
    except InputError:
        return DataOrigin(UNKNOWN, simulated=False)
    return DataOrigin(SIMULATED, simulated=True)


def describe_training_data(pairs: DataOrigin, autoencoder: Path, initial: str | None) -> DataOrigin:
    """The origin of a model that learnt from ``pairs`` with this autoencoder and these initial weights."""
    texts, simulated = [pairs.text], pairs.simulated
    earlier = {"autoencoder": autoencoder.parent} | ({"initial weights": model_part(initial, "")} if initial else {})
    for name, folder in earlier.items():
        before = _described(folder)
        if before not in texts:
            texts.append(f"{name}: {before}")
        simulated = simulated and before == SIMULATED
    return DataOrigin("; ".join(texts), simulated)


def write_origin(folder: Path, origin: DataOrigin) -> None:
    """Note beside a network that is not a model yet what it learnt from."""
    write_json(folder / NOTE, {"training_data": origin.text})


def _described(folder: Path) -> str:
    """What the card of a model folder, or the note beside a network, says of the training data."""
    for name in (CARD, NOTE):
        text = _json_object(folder / name).get("training_data")
        if isinstance(text, str) and text:
            return text
    return "data that its folder does not name"


def _json_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
