"""Untrained models: networks and scheduler of a preset, with the changes of a method."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..models.presets import AUTOENCODER, PRESETS, RADIOGRAPH_ENCODER, UNET


def build_components(preset: str, *, method: str = "xray2mri", **changes: dict[str, Any]) -> dict[str, Any]:
    """Untrained networks and scheduler: {"autoencoder", "unet", "radiograph_encoder", "scheduler"}.

    Sizes are those of ``models.presets``; ``method`` is a name in ``baselines.registry``. ``changes`` sets individual
    configuration entries per component, e.g. ``unet={"guidance": "sum"}`` or
    ``scheduler={"prediction_type": "v_prediction"}``. Raises InputError for an unknown preset or method.
    """
    if preset not in PRESETS:
        raise InputError(
            f"There is no preset named {preset!r}.", code="bad-preset", hint=f"Choose one of {', '.join(PRESETS)}."
        )
    from ..baselines.registry import find_method, unet_class
    from ..diffusion.schedule import ddim_schedule
    from ..models.diffusers_parts import AutoencoderKL
    from ..models.radiograph_encoder import RadiographEncoder

    unknown = set(changes) - {"autoencoder", "unet", "radiograph_encoder", "scheduler"}
    if unknown:
        raise ValueError(f"There is no component named {', '.join(sorted(unknown))}.")
    chosen = find_method(method)
    unet = unet_class(chosen.unet)
    assert unet is not None  # every method names a class of this package
    of_method = chosen.changes(preset)
    presets = {"autoencoder": AUTOENCODER, "unet": UNET, "radiograph_encoder": RADIOGRAPH_ENCODER}
    entries = {name: sizes[preset] | of_method.get(name, {}) | changes.get(name, {}) for name, sizes in presets.items()}
    return {
        "autoencoder": AutoencoderKL(**entries["autoencoder"]),
        "unet": unet(**entries["unet"]),
        "radiograph_encoder": RadiographEncoder(**entries["radiograph_encoder"]),
        "scheduler": ddim_schedule(**changes.get("scheduler", {})),
    }
