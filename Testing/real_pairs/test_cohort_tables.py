"""Tables and archives of a cohort: what is a study, what is refused with its row, what the clinical tables add."""

from __future__ import annotations

from pathlib import Path

import pytest
from cohort_archive import scan_datasets, write_radiograph, write_scan, write_table

from Xray2MRILib.errors import InputError
from Xray2MRILib.real_pairs.clinical_table import ClinicalTables
from Xray2MRILib.real_pairs.knee_study import KneeStudy
from Xray2MRILib.real_pairs.studies import studies_of

ROW = {"participant": "9000099", "visit": "00m", "side": "right", "radiograph": "x.dcm", "series": "mr", "kl_grade": 2}


def test_a_table_of_studies(tmp_path: Path) -> None:
    person = {"age": 61, "sex": "2: Female", "bmi": "31.5", "XROSFM": 2, "box": "10 20 300 300"}
    (tmp_path / "c.csv").write_text("\ufeff", encoding="utf-8")
    path = write_table(tmp_path / "cohort.csv", [ROW | person, ROW | {"side": "L", "kl_grade": ""}])
    (first, second), left_out = studies_of(path)
    assert first.radiograph == tmp_path / "x.dcm"
    assert (first.side, first.kl_grade, first.box) == ("right", 2, (10, 20, 300, 300))
    assert first.person == {"age": 61.0, "sex": "woman", "bmi": 31.5, "r": {"XROSFM": 2}}
    assert (second.side, second.kl_grade, second.person) == ("left", None, {})
    assert not left_out


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"side": "up"}, r"side 'up' in row 2"),
        ({"kl_grade": 5}, r"grade '5' instead of 0 to 4 in row 2"),
        ({"age": 300}, r"age '300'"),
        ({"sex": "x"}, r"sex 'x'"),
        ({"bmi": "thin"}, r"bmi 'thin'"),
        ({"XRJSM": 9}, r"reading XRJSM '9'"),
        ({"box": "1 2"}, r"box '1 2'"),
        ({"series": ""}, r"no series in row 2"),
    ],
)
def test_faulty_rows_are_named(tmp_path: Path, change: dict, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        studies_of(write_table(tmp_path / "cohort.csv", [ROW | change]))


def test_faulty_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names the same knee and visit twice"):
        studies_of(write_table(tmp_path / "cohort.csv", [ROW, ROW]))
    with pytest.raises(InputError, match="has no column side"):
        studies_of(write_table(tmp_path / "cohort.csv", [{k: v for k, v in ROW.items() if k != "side"}]))
    (tmp_path / "empty.csv").write_text("participant,side,radiograph,series\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no rows"):
        studies_of(tmp_path / "empty.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        studies_of(tmp_path / "bytes.csv")


def test_an_archive_is_searched_by_its_headers(tmp_path: Path, voxels) -> None:
    """Hands, locators and other visits are passed over; the radiograph nearest in time is taken."""
    small = voxels[:, ::16, ::16]
    visit = tmp_path / "0.C.2" / "9000099" / "20050811"
    write_scan(visit / "00000001", scan_datasets(small))
    write_scan(visit / "00000002", scan_datasets(small, SeriesDescription="SAG_3D_DESS_RIGHT")[:4])
    write_radiograph(visit / "00000003" / "001", SeriesDescription="PA Right Hand")
    near = write_radiograph(visit.parent / "20050901" / "00000004" / "001")
    write_radiograph(visit.parent / "20060811" / "00000005" / "001")
    other = tmp_path / "0.C.2" / "9000123" / "20050811"
    write_scan(other / "00000006", scan_datasets(small, number="9000123"))
    (visit / "00000007").mkdir()
    (visit / "00000007" / "notes.txt").write_text("no image", encoding="utf-8")

    studies, left_out = studies_of(tmp_path)
    assert [(one.participant, one.side, one.radiograph) for one in studies] == [("9000099", "right", near)]
    assert [(one.participant, one.reason) for one in left_out] == [
        ("9000123", "There is no radiograph of the same visit.")
    ]
    with pytest.raises(InputError, match="holds no coronal 3-D FLASH"):
        studies_of(visit / "00000003")


def test_clinical_tables_complete_what_an_archive_lacks(tmp_path: Path) -> None:
    study = KneeStudy("9000099", "20050811", "left", Path("x"), Path("y"))
    (tmp_path / "readings.txt").write_text(
        "ID|SIDE|READPRJ|V00XRKL|V00XROSFM|V01XRKL\n"
        "9000099|1: Right|15|0|0|4\n9000099|2: Left|15|3: 3|.: Missing|4\n9000123|2: Left|15|1|1|1\n",
        encoding="utf-8",
    )
    (tmp_path / "enrolment.csv").write_text("ID,P02SEX,V00AGE,P01BMI\n9000099,1: Male,59,23.8\n", encoding="utf-8")
    tables = ClinicalTables([tmp_path / "readings.txt", tmp_path / "enrolment.csv"])
    done = tables.complete(study)
    assert done.kl_grade == 3
    assert done.person == {"sex": "man", "age": 59.0, "bmi": 23.8}
    assert ClinicalTables([tmp_path / "readings.txt"], "V01").complete(study).kl_grade == 4
    unknown = KneeStudy("9999999", "", "left", Path("x"), Path("y"))
    assert tables.complete(unknown) == unknown
    (tmp_path / "other.csv").write_text("NAME,AGE\nx,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column ID"):
        ClinicalTables([tmp_path / "other.csv"])
