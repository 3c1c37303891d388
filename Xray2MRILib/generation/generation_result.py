"""The result of a generation as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..diffusion.sampling_settings import PAPER_DEFAULTS
from ..errors import fields_of
from .prepared_knee import PreparedKnee, describe_knee

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI


def generation_result(
    volume: PseudoMRI, knee: PreparedKnee, paths: Mapping[str, str | None], timings_s: Mapping[str, float]
) -> dict[str, Any]:
    """The result that command line and worker return.

    Its keys: those of ``paths`` (``volume, provenance, deviation, noise_free, montage``; the last three may be null),
    ``slices, size, spacing_mm, steps, sampler, guidance_scale, guidance_share, noise_scale, renewed_noise, seeds``,
    ``scanner_noise``, ``side, side_source, box, box_source``,
    ``knees_found, plausible, plausibility``, ``koa`` (values and source), ``reprojection`` (agreement of
    the volume's bones with the radiograph, see reprojection.record), ``model, device, precision, warnings``,
    ``warning_fields`` (sentence of warnings -> name of the setting that it concerns), ``timings_s, notice``.
    """
    from ..volume.provenance import notice, plain

    record = volume.provenance
    run, sampling = record.get("run", {}), record["sampling"]
    warnings = [*record.get("warnings", []), *run.get("notes", [])]
    return plain(
        {
            **paths,
            "slices": volume.num_slices,
            "size": list(volume.array.shape[::-1]),
            "spacing_mm": list(volume.spacing),
            **{name: sampling[name] for name in ("steps", "sampler", *PAPER_DEFAULTS)},
            "seeds": sampling.get("seeds", [sampling["seed"]]),
            "scanner_noise": (record.get("acquisition") or {}).get("scanner_noise", 0.0),
            **describe_knee(knee),
            "koa": record["koa"],
            "reprojection": record.get("reprojection"),
            "model": record["model"].get("name"),
            "device": run.get("device"),
            "precision": run.get("precision"),
            "warnings": warnings,
            "warning_fields": fields_of(warnings),
            "timings_s": dict(timings_s),
            "notice": notice(),
        }
    )
