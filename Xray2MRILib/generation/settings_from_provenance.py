"""The choices that a volume was made with, read from its provenance, so that further slices fit those it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..conditions.koa_probabilities import KoaProbabilities
from ..diffusion.sampling_settings import SamplingSettings
from ..errors import InputError

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI


def settings_from_provenance(
    volume: PseudoMRI, crop_sha256: str, weights_sha256: dict[str, str]
) -> tuple[SamplingSettings, KoaProbabilities]:
    """Sampling choices and grade probabilities of a volume.

    Raises InputError (code ``other-origin``) when its provenance does not name them, or names another radiograph or
    model than those given.
    """
    try:
        sampling = SamplingSettings.of_record(volume.provenance["sampling"])
        koa = KoaProbabilities(tuple(volume.provenance["koa"]["values"]), volume.provenance["koa"]["source"])
        same_crop = volume.provenance["radiograph"]["crop_sha256"] == crop_sha256
        same_model = volume.provenance["model"]["weights_sha256"] == weights_sha256
    except (KeyError, TypeError) as error:
        raise _other_origin("does not say how it was made") from error
    if not same_crop:
        raise _other_origin("was made from another radiograph")
    if not same_model:
        raise _other_origin("was made by another model")
    return sampling, koa


def recorded_photometric(radiograph: Mapping[str, Any]) -> str:
    """The user's word on bright or dark bone, from the radiograph's part of a volume's provenance; auto without one."""
    film = radiograph.get("film") or {}
    if film.get("inversion_source") != "user":
        return "auto"
    return "inverted" if film.get("inverted") else "normal"


def _other_origin(fault: str) -> InputError:
    return InputError(
        f"The volume {fault}, so that further slices would not fit it.",
        code="other-origin",
        hint="Generate a new volume with the wanted number of slices.",
    )
