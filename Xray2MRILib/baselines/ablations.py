"""The model as shipped, and each of its parts left out in turn: changes of the preset's configuration, no new code.

Parts: p and i in the up path, their adaptive weight (eq. 9-14), depth in the down path, the radiograph's token, and the
trained features concatenated with its latent (a departure of the small presets, see models.radiograph_features).
Without depth one noise gives fifty equal slices: the ablation shows the effect of the depth, it is not a usable system.
"""

from __future__ import annotations

from typing import Any

from .registry import OURS, Method


def _without_token(preset: str) -> dict[str, dict[str, Any]]:
    return {"unet": {"token": False}, "radiograph_encoder": {"token_encoder": "none"}}


def _without_features(preset: str) -> dict[str, dict[str, Any]]:
    from ..models.presets import latent_channels

    if preset == "paper":  # has none
        return {}
    return {
        "unet": {"in_channels": 2 * latent_channels(preset)},
        "radiograph_encoder": {"feature_channels": 0, "token_encoder": "convolutional"},
    }


def _unet_entries(title: str, description: str, **entries: Any) -> Method:
    return Method(title, description, lambda preset: {"unet": dict(entries)})


METHODS = {
    OURS: Method("Xray2MRI", "as shipped", lambda preset: {}),
    "without-p": _unet_entries("without p", "no grade probabilities", condition_names=("i",), condition_sizes=(64,)),
    "without-i": _unet_entries("without i", "no grey-level distribution", condition_names=("p",), condition_sizes=(5,)),
    "without-p-and-i": _unet_entries(
        "without p and i", "nothing in the up path", condition_names=(), condition_sizes=()
    ),
    "without-adaptive-weight": _unet_entries(
        "without adaptive weight", "p and i added without equations 9 to 14", guidance="sum"
    ),
    "broadcast-weight": _unet_entries(
        "broadcast weight", "the literal reading of equations 9 to 14, equal at all places", guidance="broadcast"
    ),
    "without-depth": _unet_entries("without depth", "all slices alike", depth=False),
    "without-token": Method("without token", "no cross-attention to the radiograph", _without_token),
    "without-features": Method("without features", "the radiograph's latent alone is concatenated", _without_features),
}
