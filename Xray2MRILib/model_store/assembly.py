"""Build the networks and the scheduler of a preset: the sizes of ``models.presets`` with the changes of a method."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..models.presets import AUTOENCODER, PRESETS, RADIOGRAPH_ENCODER, UNET


def build_components(preset: str, *, method: str = "xray2mri", **changes: dict[str, Any]) -> dict[str, Any]:
    """Untrained networks and scheduler: {"autoencoder", "unet", "radiograph_encoder", "scheduler"}.

    ``method`` is one of baselines.registry. ``changes`` alters single configuration entries per component, e.g.
    ``unet={"guidance": "sum"}`` or ``scheduler={"prediction_type": "v_prediction"}``. Raises InputError for an unknown
    preset or method.
    """
    if preset not in PRESETS:
        raise InputError(
            f"There is no preset named {preset!r}.", code="bad-preset", hint=f"Choose one of {', '.join(PRESETS)}."
        )
    from diffusers import AutoencoderKL

    from ..baselines.registry import method_named, unet_class
    from ..diffusion.schedule import ddim_schedule
    from ..models.radiograph_encoder import RadiographEncoder

    unknown = set(changes) - {"autoencoder", "unet", "radiograph_encoder", "scheduler"}
    if unknown:
        raise ValueError(f"no component is named {', '.join(sorted(unknown))}")
    chosen = method_named(method)
    own = chosen.changes(preset)
    entries = {
        name: sizes_of[preset] | own.get(name, {}) | changes.get(name, {})
        for name, sizes_of in (("autoencoder", AUTOENCODER), ("unet", UNET), ("radiograph_encoder", RADIOGRAPH_ENCODER))
    }
    return {
        "autoencoder": AutoencoderKL(**entries["autoencoder"]),
        "unet": unet_class(chosen.unet)(**entries["unet"]),
        "radiograph_encoder": RadiographEncoder(**entries["radiograph_encoder"]),
        "scheduler": ddim_schedule(**changes.get("scheduler", {})),
    }


def sizes(components: dict[str, Any]) -> str:
    """One line per network with its number of parameters, e.g. ``unet: 9.87 M parameters``."""
    lines = []
    for name, part in components.items():
        if hasattr(part, "parameters"):
            count = sum(parameter.numel() for parameter in part.parameters())
            lines.append(f"{name}: {count / 1e6:.2f} M parameters in {len(part.state_dict())} tensors")
    return "\n".join(lines)
