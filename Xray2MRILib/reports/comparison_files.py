"""The files of a comparison: aligned volume, differences, report, table, record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..comparison.compare import Comparison
from ..files.atomic_write import AtomicFiles
from ..metrics.sobel_difference import RESOLUTION_MM
from .comparison_report import report_html
from .per_slice_table import COMPARISON_COLUMNS, table_text


def write_comparison(comparison: Comparison, targets: dict[str, Path]) -> None:
    """All files or none; their paths go into the result."""
    result = comparison.result
    result.update({name: str(path) for name, path in targets.items()})
    with AtomicFiles() as transaction:
        for name, path in targets.items():
            temporary = transaction.stage(path)
            if name == "report":
                temporary.write_text(report_html(comparison), encoding="utf-8", newline="\n")
            elif name == "table":
                temporary.write_text(
                    table_text(result["per_slice"], COMPARISON_COLUMNS), encoding="utf-8", newline="\n"
                )
            elif name == "record":
                kept = {key: value for key, value in result.items() if key not in targets}
                temporary.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n", encoding="ascii")
            else:
                _write_image(comparison, name, temporary)


def _write_image(comparison: Comparison, name: str, path: Path) -> None:
    import SimpleITK as sitk

    difference, matched = comparison.evaluation.difference, comparison.evaluation.matched_difference
    assert difference is not None, "every evaluation of a comparison holds its difference"
    array, content = {
        "aligned": (comparison.alignment.volume, "reference MRI resampled to the grid of a synthetic volume"),
        "difference": (
            matched, "Sobel magnitude of the synthetic volume minus that of the reference, two-sided, "
            f"both smoothed to {RESOLUTION_MM:g} mm before"
        ),
        "difference_paper": (
            np.maximum(difference, 0), "one-sided Sobel difference of the volumes as they are, the form of the paper: "
            "outlines of the reference alone are not drawn"
        ),
    }[name]  # fmt: skip
    image = comparison.volume.to_sitk(np.ascontiguousarray(array, np.float32))
    image.SetMetaData("NRRD_content", f"{content}; not for diagnosis")
    sitk.WriteImage(image, str(path), useCompression=True)
