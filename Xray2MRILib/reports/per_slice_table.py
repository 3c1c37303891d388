"""Values per slice as CSV: of a comparison with a real MRI, or of the volume alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from ..metrics.metric_names import METRIC_NAMES
from ..volume import geometry
from ..volume.provenance import notice

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI

_MEASURES = ("psnr_db", "ssim", "rssim", "edge_mm", "f1", "correlation", "correlation_reference")
# column -> heading with unit, in the order of the table
COMPARISON_COLUMNS = {
    "index": "slice",
    "depth_mm": "depth (mm)",
    **{measure: METRIC_NAMES[measure].heading for measure in _MEASURES},
}
VOLUME_COLUMNS = {
    "index": "slice",
    "depth_mm": "depth (mm)",
    "mean_grey": "mean grey value",
    "sd_grey": "standard deviation of grey values",
    "mean_deviation": "mean standard deviation over seeds",
}


def rows_of_volume(volume: PseudoMRI) -> list[dict[str, Any]]:
    """One row per slice in file order: position in mm (LPS y, positive is posterior) and grey values in [0, 1]."""
    rows = []
    for index in range(volume.num_slices):
        u = geometry.index_to_depth(geometry.file_index(index, volume.num_slices), volume.num_slices)
        row = {
            "index": index,
            "depth_mm": round(geometry.depth_to_mm(u), 4),
            "mean_grey": round(float(volume.array[index].mean(dtype="f8")), 6),
            "sd_grey": round(float(volume.array[index].std(dtype="f8")), 6),
        }
        if volume.deviation is not None:
            row["mean_deviation"] = round(float(volume.deviation[index].mean(dtype="f8")), 6)
        rows.append(row)
    return rows


def table_text(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    """The CSV: a comment line with the notice, headings, one line per slice; an undefined value is an empty cell."""
    used = [name for name in columns if any(row.get(name) is not None for row in rows)]
    stream = io.StringIO()
    stream.write(f"# {notice()}\n")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([columns[name] for name in used])
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in used])
    return stream.getvalue()


def write_per_slice_table(volume: PseudoMRI, path: str | Path, comparison: dict[str, Any] | None = None) -> Path:
    """Write the rows of a comparison (its ``per_slice``) as ``.csv``; those of the volume without a comparison.

    Raises InputError for another ending or a place that cannot be written, ProcessingError when writing fails.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise InputError(f"The table {path.name!r} is not named as CSV.", code="bad-output", hint="End it in .csv.")
    check_place(path)
    if comparison is None:
        text = table_text(rows_of_volume(volume), VOLUME_COLUMNS)
    else:
        text = table_text(comparison["per_slice"], COMPARISON_COLUMNS)
    with AtomicFiles() as transaction:
        transaction.stage(path).write_text(text, encoding="utf-8", newline="\n")
    return path
