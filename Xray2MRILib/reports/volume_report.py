"""A report that stands alone: one HTML file with its pictures inside, to be read in a browser or printed to PDF."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from ..volume.provenance import notice, without_identifiers
from .report_figures import per_slice_charts, per_slice_html, summary_table, table
from .report_page import MEANING, STYLE
from .report_pictures import data_uri, radiograph_picture, rendering_picture, slices_picture, spread_picture

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI

_REPORT_BYTES = 20_000_000
_GRADES = ("no osteoarthritis", "doubtful", "minimal", "moderate", "severe")


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

    No name, path or identifier of a patient is in it. Raises InputError for another ending, a place that cannot be
    written or an unreadable radiograph, ProcessingError when writing fails.
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
    record = without_identifiers(volume.provenance)
    created = escape(str(record.get("created_utc", "at an unknown time")))
    sections = [
        _warnings(record),
        _pictures(volume, radiograph),
        _grades(record),
        _agreement_with_radiograph(record),
        "" if comparison is None else _comparison(comparison),
        _made_by(volume, record),
        MEANING,
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>SYNTHETIC pseudo-MRI: report</title><style>{STYLE}</style></head><body>"
        f'<div class="notice">SYNTHETIC, NOT FOR DIAGNOSIS. {escape(notice())}</div>'
        f"<h1>Pseudo-MRI of a {escape(volume.side)} knee</h1>"
        f"<p>{volume.num_slices} coronal slices, computed {created}</p>"
        f"{''.join(sections)}</body></html>\n"
    )


def _warnings(record: dict[str, Any]) -> str:
    plausibility = record.get("plausibility") or {}
    sentences = [str(warning) for warning in record.get("warnings") or []]
    if plausibility.get("plausible") is False:
        sentences.append("The input may not be a frontal knee radiograph; the volume then means nothing.")
    return "".join(f'<p class="warning">{escape(sentence)}</p>' for sentence in dict.fromkeys(sentences))


def _pictures(volume: PseudoMRI, radiograph: str | Path | None) -> str:
    shown = []
    if radiograph is not None:
        picture, same = radiograph_picture(volume, radiograph)
        caption = "The joint on the radiograph, as the model saw it"
        if not same:
            caption += ". The file differs from the one that the volume was made from (its pixels do not match)"
        shown.append(_figure(data_uri(picture), caption))
    shown.append(_figure(data_uri(rendering_picture(volume)), "3-D rendering of the synthetic volume, from the front"))
    shown.append(_figure(data_uri(slices_picture(volume)), "SYNTHETIC coronal slices from posterior to anterior"))
    spread = spread_picture(volume)
    if spread is not None:
        words = "Standard deviation over volumes of several seeds (sampled without guidance and with all noise), same "
        words += "slices; white is a standard deviation of"
        shown.append(_figure(data_uri(spread[0]), f"{words} {spread[1]:.3g} of the grey range"))
    return f"<h2>Pictures</h2>{''.join(shown)}"


def _figure(source: str, caption: str) -> str:
    words = escape(caption)
    return f'<figure><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _grades(record: dict[str, Any]) -> str:
    from ..rendering.grade_bars import percentage, source_in_words

    koa = record.get("koa") or {}
    values = koa.get("values")
    if not isinstance(values, list) or len(values) != 5:
        return ""
    rows = "".join(
        f"<tr><td>KL {grade}</td><td>{meaning}</td><td>{escape(percentage(value))}</td>"
        f'<td><span class="bar" style="width:{max(round(260 * value), 1)}px"></span></td></tr>'
        for grade, (value, meaning) in enumerate(zip(values, _GRADES, strict=True))
    )
    source = escape(source_in_words(str(koa.get("source", "unknown"))))
    heading = "<h2>Kellgren-Lawrence grade that the volume was made with</h2>"
    return f"{heading}<p>Probabilities {source}</p><table>{rows}</table>"


def _agreement_with_radiograph(record: dict[str, Any]) -> str:
    """Distances of the bones' outlines from those on the radiograph; empty for volumes that do not tell."""
    from ..reprojection.record import CAUTION

    agreement = record.get("reprojection") or {}
    if not agreement:
        return ""
    heading = "<h2>Agreement of the bones with the radiograph</h2>"
    if not agreement.get("applies"):
        return f"{heading}<p>{escape(str(agreement.get('summary', 'Not applicable.')))}</p>"
    rows = []
    others = agreement.get("other_films") or {}
    for stage, how in (("as_placed", "as placed"), ("after_fit", "after a similarity fit")):
        own, beside = agreement.get(stage) or {}, others.get(stage) or {}
        for part, words in (("joint_line", "joint line"), ("outline", "sides of the bones")):
            closer = None
            if beside.get(f"{part}_farther") is not None:
                closer = f"{beside[f'{part}_farther']} of {beside.get(f'{part}_of')}"
            rows.append([f"{words}, {how}", own.get(f"{part}_mm"), beside.get(f"{part}_mm"), closer])
    headings = [
        "median distance (mm, nominal scale)",
        "own radiograph",
        "other people's radiographs",
        "own is closer than",
    ]
    reasons = "".join(f"<p>{escape(str(reason))}</p>" for reason in agreement.get("reasons") or [])
    return f"{heading}{table(headings, rows)}{reasons}<p>{CAUTION} It concerns only what a radiograph shows anyway.</p>"


def _comparison(comparison: dict[str, Any]) -> str:
    from .report_wording import HOW_TO_READ

    parts = ["<h2>Comparison with a real MRI</h2>"]
    if comparison.get("verdict"):
        parts.append(f'<p class="verdict">{escape(str(comparison["verdict"]))}</p>')
    parts += [f'<p class="warning">{escape(str(warning))}</p>' for warning in comparison.get("warnings") or []]
    if comparison.get("summary"):
        parts.append("<p>Every figure stands beside what a meaningless volume reaches on the same knee.</p>")
        parts.append(summary_table(comparison["summary"]))
    parts.append(per_slice_charts(comparison["per_slice"]))
    parts.append(HOW_TO_READ.replace("<h2>", "<h3>").replace("</h2>", "</h3>"))
    every_slice = per_slice_html(comparison["per_slice"])
    parts.append(f"<details><summary>Figures of every slice</summary>{every_slice}</details>")
    return "".join(parts)


def _made_by(volume: PseudoMRI, record: dict[str, Any]) -> str:
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
        "share of the steps that is guided": sampling.get("guidance_share"),
        "spread of the noise": sampling.get("noise_scale"),
        "seeds": sampling.get("seeds") or sampling.get("seed"),
        "side": f"{volume.side} (from: {radiograph.get('side_source', 'unknown')})",
        "knee found by": radiograph.get("box_source"),
        "plausible as a frontal knee radiograph": plausibility.get("plausible"),
        "spacing (mm)": " x ".join(f"{step:.4g}" for step in volume.spacing),
        "programs": ", ".join(f"{name} {version}" for name, version in libraries.items() if version),
    }
    rows = [[name, _in_words(value)] for name, value in facts.items() if value not in (None, "", [])]
    return f"<h2>How it was made</h2>{table(['what', 'value'], rows, numbers=False)}"


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
