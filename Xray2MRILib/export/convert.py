"""From a saved volume to another form: the one procedure behind ``xray2mri convert`` and the worker's ``export``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..volume.file_name import VOLUME_ENDINGS
from ..volume.reading import read_volume

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI

FORMATS = ("file", "dicom", "report", "table")
REPORT_BYTES = 20_000_000


def format_of(output: str | Path) -> str:
    """The form that an output name asks for: a volume file, report or table by its ending, otherwise a DICOM folder.

    Raises InputError for an ending that is nobody's.
    """
    name = Path(output).name.lower()
    if name.endswith(VOLUME_ENDINGS):
        return "file"
    if name.endswith((".html", ".htm")):
        return "report"
    if name.endswith(".csv"):
        return "table"
    if Path(output).suffix and not Path(output).is_dir():
        known = ", ".join((*VOLUME_ENDINGS, ".html", ".csv"))
        raise InputError(
            f"The output {Path(output).name} has an unknown file extension.",
            code="bad-output",
            hint=f"Use one of {known}, or name a folder for DICOM.",
        )
    return "dicom"


def convert(
    volume: str | Path,
    output: str | Path,
    form: str | None = None,
    *,
    radiograph: str | Path | None = None,
    comparison: str | Path | None = None,
    keep_identifiers: bool = False,
    should_cancel: Callable[[], bool] | None = None,
) -> list[Path]:
    """Write a saved volume in another form; returns the files.

    Parameters
    ----------
    volume
        A volume file with its side-car.
    output
        File, or new or empty folder for DICOM. A report without an ending is such a folder too, with ``report.html``
        and ``slices.csv``.
    form
        One of FORMATS; None goes by the name of the output, see format_of.
    radiograph
        The radiograph that the volume was made from, for references (DICOM) and picture (report), which refuse another
        one, see preparation.recorded_radiograph.
    comparison
        JSON file of a comparison with a real MRI, for report and table.
    keep_identifiers
        Take over patient and study of a DICOM radiograph into a DICOM series.
    should_cancel
        Asked before every image of a DICOM series.

    Raises InputError, ProcessingError and Cancelled; nothing half-written is left.
    """
    form = form or format_of(output)
    if form not in FORMATS:
        raise InputError(
            f"There is no export format {form[:40]!r}.",
            code="bad-option",
            hint=f"Choose {', '.join(FORMATS)}.",
            field="format",
        )
    figures = None
    if comparison is not None:
        from ..reports.comparison_record import read_comparison

        figures = read_comparison(comparison)
    source = read_volume(volume)
    if figures is not None:
        _check_comparison(figures, source, Path(comparison or ""))
    if form == "dicom":
        from .dicom_series import write_dicom_series

        return write_dicom_series(
            source, output, radiograph=radiograph, keep_identifiers=keep_identifiers, should_cancel=should_cancel
        )
    if form == "report" and format_of(output) == "dicom":
        return _report_folder(source, Path(output), radiograph, figures)
    if form == "report":
        from ..reports.volume_report import write_report

        return [write_report(source, output, radiograph=radiograph, comparison=figures)]
    if form == "table":
        from ..reports.per_slice_table import write_per_slice_table

        return [write_per_slice_table(source, output, figures)]
    if Path(output).resolve() == Path(volume).resolve():
        raise InputError(
            f"The output {Path(output).name} is the volume itself.", code="bad-output", hint="Choose another name."
        )
    files = source.save(output)
    further = ((files.deviation, source.deviation), (files.noise_free, source.acquired))
    return [files.volume, files.record, *(path for path, voxels in further if voxels is not None)]


def _check_comparison(figures: dict[str, Any], source: PseudoMRI, path: Path) -> None:
    """Refuse the figures of another volume, as far as they tell; those of earlier versions give their slices only."""
    from ..volume.intensity_mapping import STANDARD_MAPPING
    from ..volume.writing import voxels_sha256

    expected = figures.get("voxels_sha256")
    same = expected is None or expected == voxels_sha256(STANDARD_MAPPING.to_stored(source.shown))
    if not same or len(figures["per_slice"]) != source.num_slices:
        raise InputError(
            f"The comparison {path.name} is one of another volume.",
            code="other-comparison",
            hint="Choose the comparison of this volume, or compare again.",
        )


def _report_folder(
    source: PseudoMRI, folder: Path, radiograph: str | Path | None, figures: dict[str, Any] | None
) -> list[Path]:
    """Report and table in a folder of their own."""
    from ..files.new_folder import NewFolder
    from ..reports.per_slice_table import write_per_slice_table
    from ..reports.volume_report import write_report

    with NewFolder(folder, REPORT_BYTES) as temporary:
        write_report(source, temporary / "report.html", radiograph=radiograph, comparison=figures)
        write_per_slice_table(source, temporary / "slices.csv", figures)
    return [folder / "report.html", folder / "slices.csv"]
