"""Studies in a folder laid out as the OAI's archive: participant / date of the visit / series / files.

Folders above that (release, site) may stand in between. What a series is, its own header says: description, modality
and side. A radiograph and a scan of one participant belong to the same visit when their dates are the closest, at most
half a year apart.
"""

from __future__ import annotations

import datetime
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..radiograph.laterality import side_from_words
from .archive_header import first_header
from .knee_study import KneeStudy, LeftOut
from .sequence import description_of, is_coronal_flash, series_side

_SAME_VISIT_DAYS = 183
_X_RAY = ("CR", "DX", "DR", "RG", "XR")
_FRONTAL = re.compile(r"\bpa\b|\bap\b|fixed flexion|weight ?bearing|standing", re.IGNORECASE)
_OTHER_PART = re.compile(r"\b(hand|pelvis|hip|spine|chest|foot|ankle|lateral|long ?limb)", re.IGNORECASE)
_DATE = re.compile(r"^(19|20)\d{6}$")


@dataclass(frozen=True)
class _Found:
    """A series of the archive that may be half of a pair."""

    path: Path
    day: datetime.date | None
    visit: str
    side: str | None


def find_studies(folder: Path) -> tuple[list[KneeStudy], list[LeftOut]]:
    """The pairs of radiograph and scan in an archive, and the scans without a radiograph.

    Raises InputError for a folder without any scan of the sequence.
    """
    films: dict[str, list[_Found]] = defaultdict(list)
    scans: dict[str, list[_Found]] = defaultdict(list)
    for series in _series_folders(folder):
        _sort_in(series, folder, films, scans)
    if not scans:
        raise InputError(
            f"The folder {folder.name} holds no coronal 3-D FLASH series.",
            code="no-scans",
            hint="Give the folder that holds the participants' folders, or a table of the files.",
        )
    studies, left_out = [], []
    taken: set[tuple[str, str, str]] = set()
    for participant, found in sorted(scans.items()):
        for scan in sorted(found, key=lambda one: (one.visit, str(one.path))):
            side = scan.side
            if side is None:
                left_out.append(LeftOut(participant, scan.visit, "", "The MR series does not say which knee it shows."))
                continue
            film = _nearest(scan, [one for one in films.get(participant, []) if one.side in (None, side)])
            if film is None:
                left_out.append(LeftOut(participant, scan.visit, side, "There is no radiograph of the same visit."))
                continue
            study = KneeStudy(participant, scan.visit, side, film.path, scan.path)
            if study.identity in taken:
                left_out.append(LeftOut(participant, scan.visit, side, "A second scan of the same knee and visit."))
                continue
            taken.add(study.identity)
            studies.append(study)
    return studies, left_out


def _series_folders(folder: Path) -> Iterator[Path]:
    """Folders with files and without folders, in order of their paths; links are not followed."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        if files and not folders:
            yield Path(place)


def _sort_in(series: Path, archive: Path, films: dict[str, list[_Found]], scans: dict[str, list[_Found]]) -> None:
    header = first_header(series)
    if header is None:
        return
    participant = _participant(series, archive) or str(header.get("PatientID") or "")
    if not participant:
        return
    day, visit = _visit(series, str(header.get("StudyDate") or ""))
    if str(header.get("Modality") or "") in _X_RAY:
        words = " ".join((description_of(header), str(header.get("StudyDescription") or "")))
        words = words.replace("_", " ")
        if _OTHER_PART.search(words) or not _FRONTAL.search(words):
            return
        path = next(path for path in sorted(series.iterdir()) if path.is_file())
        films[participant].append(_Found(path, day, visit, side_from_words(words)))
    elif is_coronal_flash(header):
        scans[participant].append(_Found(series, day, visit, series_side(header)))


def _participant(series: Path, archive: Path) -> str:
    """The folder above the one that is named as a date; empty where there is none within the archive."""
    parts = series.relative_to(archive).parts
    for place, part in enumerate(parts):
        if place and _DATE.match(part):
            return parts[place - 1]
    return ""


def _visit(series: Path, study_date: str) -> tuple[datetime.date | None, str]:
    named = next((part for part in reversed(series.parts) if _DATE.match(part)), study_date)
    try:
        return datetime.datetime.strptime(named, "%Y%m%d").date(), named
    except ValueError:
        return None, named


def _nearest(scan: _Found, films: list[_Found]) -> _Found | None:
    """The radiograph that is nearest in time; without dates the only one there is."""
    if scan.day is None or any(film.day is None for film in films):
        return films[0] if len(films) == 1 else None
    apart = {id(film): abs((film.day - scan.day).days) for film in films if film.day is not None}
    near = [film for film in films if apart[id(film)] <= _SAME_VISIT_DAYS]
    return min(near, key=lambda film: (apart[id(film)], str(film.path)), default=None)
