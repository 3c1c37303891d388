"""Figures per slice as CSV: of a comparison with a real MRI, or of the volume alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from ..volume import geometry
from ..volume.provenance import notice

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI

# column -> heading with unit, in the order of the table
COMPARISON_COLUMNS = {
    "index": "slice",
    "depth_mm": "depth (mm)",
    "psnr_db": "PSNR (dB)",
    "ssim": "SSIM",
    "rssim": "RSSIM",
    "edge_mm": "edge distance (mm)",
    "f1": "edge F1",
    "correlation": "correlation with next slice",
    "correlation_reference": "the same in the real MRI",
}
VOLUME_COLUMNS = {
    "index": "slice",
    "depth_mm": "depth (mm)",
    "mean_grey": "mean grey value",
    "sd_grey": "standard deviation of grey values",
    "mean_deviation": "mean standard deviation over seeds",
}


def rows_of_volume(volume: PseudoMRI) -> list[dict[str, Any]]:
    """One row a slice in file order: place in mm (LPS y, positive is posterior) and grey values in [0, 1]."""
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
    """The CSV: a comment line with the notice, headings, a line a slice; what is undefined is an empty cell."""
    used = [name for name in columns if any(row.get(name) is not None for row in rows)]
    stream = io.StringIO()
    stream.write(f"# {notice()}\n")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([columns[name] for name in used])
    for row in rows:
        writer.writerow(["" if row.get(name) is None else row[name] for name in used])
    return stream.getvalue()


def write_per_slice_table(volume: PseudoMRI, path: str | Path, comparison: dict[str, Any] | None = None) -> Path:
    """Write the rows of a comparison (its ``per_slice``), or without one those of the volume, as ``.csv``.

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
