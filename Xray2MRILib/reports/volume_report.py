"""The report of a volume: one self-contained HTML file, to be read in a browser or printed to PDF."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..conditions.koa_probabilities import GRADE_NAMES
from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from ..metrics.metric_names import METRIC_NAMES
from ..volume.provenance import remove_identifiers
from .axis_ticks import round_ticks
from .comparison_tables import medians_table
from .embedded_picture import data_uri
from .line_chart import Curve, line_chart
from .measure_text import number_text
from .page_templates import render_page
from .per_slice_table import COMPARISON_COLUMNS
from .svg import Svg
from .volume_pictures import cutaway_picture, deviation_picture, radiograph_picture, slices_picture

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI

_REPORT_BYTES = 20_000_000
_CHARTED = ("psnr_db", "ssim", "rssim", "edge_mm")


def write_report(
    volume: PseudoMRI,
    path: str | Path,
    *,
    radiograph: str | Path | None = None,
    comparison: dict[str, Any] | None = None,
) -> Path:
    """Write the report of a volume as ``.html``; returns its path.

    Parameters
    ----------
    radiograph
        The radiograph that the volume was made from; its joint is shown.
    comparison
        Result of a comparison with a real MRI, see comparison_record.read_comparison.

    The page contains no name, path or identifier of a patient. Raises InputError for another ending, a place that
    cannot be written, a radiograph that cannot be read or is not the volume's own, ProcessingError when writing fails.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"The report {path.name!r} is not named as HTML.", code="bad-output", hint="End it in .html.")
    check_place(path, _REPORT_BYTES)
    page = report_html(volume, radiograph=radiograph, comparison=comparison)
    with AtomicFiles() as transaction:
        transaction.stage(path).write_text(page, encoding="utf-8", newline="\n")
    return path


def report_html(
    volume: PseudoMRI, *, radiograph: str | Path | None = None, comparison: dict[str, Any] | None = None
) -> str:
    """The page as text; parameters and errors as for write_report."""
    return render_page("volume_report.html.j2", volume_context(volume, radiograph, comparison))


def volume_context(
    volume: PseudoMRI, radiograph: str | Path | None = None, comparison: dict[str, Any] | None = None
) -> dict[str, Any]:
    """All that the template shows, as plain data; parameters and errors as for write_report."""
    record = remove_identifiers(volume.provenance)
    return {
        "side": volume.side,
        "slices": volume.num_slices,
        "created": str(record.get("created_utc", "at an unknown time")),
        "warnings": _warnings(record),
        "pictures": _pictures(volume, radiograph),
        "grades": _grades(record),
        "agreement": _agreement_with_radiograph(record),
        "comparison": None if comparison is None else _comparison(comparison),
        "facts": _facts(volume, record),
    }


def _warnings(record: dict[str, Any]) -> list[str]:
    plausibility = record.get("plausibility") or {}
    sentences = [str(warning) for warning in record.get("warnings") or []]
    if plausibility.get("plausible") is False:
        sentences.append("The input may not be a frontal knee radiograph. Do not interpret the volume.")
    return list(dict.fromkeys(sentences))


def _pictures(volume: PseudoMRI, radiograph: str | Path | None) -> list[dict[str, str]]:
    shown = []
    if radiograph is not None:
        picture, recorded = radiograph_picture(volume, radiograph)
        caption = "The joint on the radiograph, as the model received it"
        if not recorded:
            caption = (
                "The joint on the radiograph that was given for this volume. The volume does not record its "
                "radiograph: whether it was this one is unknown"
            )
        shown.append((picture, caption))
    shown.append((cutaway_picture(volume), "The synthetic volume cut open at the joint, from the front"))
    caption = "SYNTHETIC coronal slices from posterior to anterior"
    if volume.acquired is not None or volume.contains_noise:
        caption += ", with the noise of a scanner added after the model"
    shown.append((slices_picture(volume), caption))
    deviation = deviation_picture(volume)
    if deviation is not None:
        picture, white = deviation
        caption = (
            "Standard deviation over volumes of several seeds (sampled without guidance and with all noise) in the "
        )
        caption += f"same slices. White is a standard deviation of {white:.3g} of the grey range"
        shown.append((picture, caption))
    return [{"source": data_uri(picture), "caption": caption} for picture, caption in shown]


def _grades(record: dict[str, Any]) -> dict[str, Any] | None:
    """The Kellgren-Lawrence probabilities; None for a record without five of them."""
    from ..rendering.grade_bars import describe_source, format_percentage

    koa = record.get("koa") or {}
    values = koa.get("values")
    if not isinstance(values, list) or len(values) != 5:
        return None
    return {
        "source": describe_source(str(koa.get("source", "unknown"))),
        "rows": [
            {
                "grade": grade,
                "meaning": meaning,
                "share": format_percentage(value),
                "pixels": max(round(260 * value), 1),
            }
            for grade, (value, meaning) in enumerate(zip(values, GRADE_NAMES, strict=True))
        ],
    }


def _agreement_with_radiograph(record: dict[str, Any]) -> dict[str, Any] | None:
    """Distances of the bone outlines from those on the radiograph; None for volumes without that record."""
    from ..reprojection.record import CAUTION

    agreement = record.get("reprojection") or {}
    if not agreement:
        return None
    if not agreement.get("applies"):
        return {"refusal": str(agreement.get("summary", "Not applicable."))}
    rows = []
    others = agreement.get("other_films") or {}
    for stage, how in (("as_placed", "unregistered"), ("after_fit", "after a similarity fit")):
        own, other = agreement.get(stage) or {}, others.get(stage) or {}
        for part, words in (("joint_line", "joint line"), ("outline", "sides of the bones")):
            closer = number_text(None)
            if other.get(f"{part}_farther") is not None:
                closer = f"{other[f'{part}_farther']} of {other.get(f'{part}_of')}"
            rows.append([f"{words}, {how}", number_text(own.get(f"{part}_mm")), number_text(other.get(f"{part}_mm")),
                         closer])  # fmt: skip
    headings = ["median distance (mm, nominal scale)", "own radiograph", "other patients' radiographs",
                "own is closer than"]  # fmt: skip
    reasons = [str(reason) for reason in agreement.get("reasons") or []]
    return {"refusal": "", "headings": headings, "rows": rows, "reasons": reasons, "caution": CAUTION}


def _comparison(comparison: dict[str, Any]) -> dict[str, Any]:
    rows, summary = comparison["per_slice"], comparison.get("summary")
    used = [name for name in COMPARISON_COLUMNS if any(row.get(name) is not None for row in rows)]
    return {
        "verdict": str(comparison.get("verdict") or ""),
        "warnings": [str(warning) for warning in comparison.get("warnings") or []],
        "scores": medians_table(summary) if summary else None,
        "charts": _per_slice_charts(rows),
        "headings": [COMPARISON_COLUMNS[name] for name in used],
        "rows": [
            [str(row.get(name)) if name == "index" else number_text(row.get(name), name) for name in used]
            for row in rows
        ],
    }


def _per_slice_charts(rows: list[dict[str, Any]]) -> list[Svg]:
    """One chart per measure over the slices of the file, anterior at the left; undefined slices are gaps."""
    places = [row["index"] for row in rows]
    ticks = [tick for tick in round_ticks(places[0], places[-1], 8) if tick.is_integer()] if len(rows) > 1 else places
    charts = []
    for measure in _CHARTED:
        values = [math.nan if row.get(measure) is None else float(row[measure]) for row in rows]
        curve = Curve("pseudo-MRI", places, values, "pseudo")
        title = METRIC_NAMES[measure].title
        charts.append(line_chart(title, "anterior  ←  slice of the file  →  posterior", [curve], ticks=ticks))
    return [chart for chart in charts if chart]


def _facts(volume: PseudoMRI, record: dict[str, Any]) -> list[tuple[str, str]]:
    """How the volume was made, as rows of name and text."""
    model, sampling = record.get("model") or {}, record.get("sampling") or {}
    radiograph, libraries = record.get("radiograph") or {}, record.get("libraries") or {}
    weights = model.get("weights_sha256")
    digests = weights.items() if isinstance(weights, dict) else [("model", weights)]
    plausibility = record.get("plausibility") or {}
    facts = {
        "model": f"{model.get('name') or 'unknown'} {model.get('version') or ''}".strip(),
        "trained on": model.get("training_data"),
        "licence of the weights": model.get("licence"),
        "weights (SHA-256, first 16)": ", ".join(f"{name} {str(digest)[:16]}" for name, digest in digests if digest),
        "sampling": f"{sampling.get('steps', '?')} {sampling.get('sampler', '')} steps",
        "guidance scale": sampling.get("guidance_scale"),
        "share of guided steps": sampling.get("guidance_share"),
        "noise scale": sampling.get("noise_scale"),
        "renewed share of the late noise": sampling.get("renewed_noise"),
        "scanner noise": _scanner_noise(volume, record),
        "seeds": sampling.get("seeds") or sampling.get("seed"),
        "side": f"{volume.side} (source: {radiograph.get('side_source', 'unknown')})",
        "knee located by": radiograph.get("box_source"),
        "plausible as a frontal knee radiograph": plausibility.get("plausible"),
        "spacing (mm)": " x ".join(f"{step:.4g}" for step in volume.spacing),
        "software": ", ".join(f"{name} {version}" for name, version in libraries.items() if version),
    }
    return [(name, _in_words(value)) for name, value in facts.items() if value not in (None, "", [])]


def _scanner_noise(volume: PseudoMRI, record: dict[str, Any]) -> str | None:
    strength = (record.get("acquisition") or {}).get("scanner_noise")
    if not strength:
        return None if strength is None else "none"
    measured = "with it, because the noise-free voxels are missing" if volume.contains_noise else "without it"
    return f"{strength:g} times the measured noise; figures are measured {measured}"


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
