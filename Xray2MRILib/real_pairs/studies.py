"""The studies of a cohort, from a table of files or from an archive's folder with clinical tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .archive_folder import find_studies
from .clinical_table import ClinicalTables
from .knee_study import KneeStudy, LeftOut
from .study_table import read_study_table


def studies_of(
    cohort: Path, clinical: Sequence[Path] = (), visit: str = "V00"
) -> tuple[list[KneeStudy], list[LeftOut]]:
    """The studies, and the knees of the archive that are no pair. Raises InputError when there are none."""
    if cohort.is_dir():
        studies, left_out = find_studies(cohort)
    else:
        studies, left_out = read_study_table(cohort), []
    if clinical:
        tables = ClinicalTables(list(clinical), visit)
        studies = [tables.complete(study) for study in studies]
    if not studies:
        raise InputError(
            f"{cohort.name} holds no pair of radiograph and scan.",
            code="no-studies",
            hint="Check that both lie below it, or give a table of the files.",
        )
    return studies, left_out
