"""Tables and folders of radiographs; what is wrong with a row stays in the row."""

from __future__ import annotations

from pathlib import Path

import pytest
from cohort_files import write_table

from Xray2MRILib.cohort.radiograph_rows import read_rows
from Xray2MRILib.errors import InputError


def text_table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_are_found_by_their_names_and_paths_count_from_the_table(tmp_path):
    table = write_table(tmp_path / "t.csv", [
        {"id": "A 7", "film": "sub/a.png", "Side": "L", "KL_grade": "3", "remark": "x"},
        {"id": "B", "film": "/data/b.dcm", "Side": "", "KL_grade": "", "remark": ""},
    ])  # fmt: skip
    first, second = read_rows(table)
    assert (first.number, first.radiograph, first.identity) == (1, tmp_path / "sub/a.png", "A 7")
    assert dict(first.own) == {"side": "left", "kl_grade": 3}
    assert (second.radiograph, dict(second.own), second.refusal) == (Path("/data/b.dcm"), {}, None)


@pytest.mark.parametrize("columns", ["Bild,Seite,KL,Nr", "id=Nr,radiograph=Bild,side=Seite,kl_grade=KL"])
def test_columns_of_any_name_in_order_or_by_role(tmp_path, columns):
    (row,) = read_rows(text_table(tmp_path, "Nr;Bild;Seite;KL\n17;a.png;right;2.0\n"), columns)
    assert (row.identity, row.radiograph, dict(row.own)) == ("17", tmp_path / "a.png", {"side": "right", "kl_grade": 2})


def test_rectangles_probabilities_and_a_real_mri(tmp_path):
    text = "radiograph\troi\tkl\tmri\na.png\t1, 2 30,40\t\tm.nii.gz\nb.png\t\t0.1 0.2 0.3 0.2 0.2\t\n"
    first, second = read_rows(text_table(tmp_path, text), None, "MRI")
    assert first.own["roi"] == (1.0, 2.0, 30.0, 40.0)
    assert first.reference == tmp_path / "m.nii.gz"
    assert second.own["kl"] == (0.1, 0.2, 0.3, 0.2, 0.2)
    assert second.reference is None


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("a.png,medial,", "bad-option", "The side cannot be medial"),
        ("a.png,,7", "bad-option", "The Kellgren-Lawrence grade cannot be 7"),
        ("a.png,,two", "bad-row", "of row 1 cannot be 'two'"),
        ("a.png,,2.5", "bad-row", "of row 1 cannot be '2.5'"),
        (",left,", "bad-row", "Row 1 names no radiograph"),
        ("a.png,left", "bad-row", "Row 1 has 2 cells instead of 3"),
        ("a.png,left,1,extra", "bad-row", "Row 1 has 4 cells instead of 3"),
    ],
)
def test_a_faulty_row_is_refused_alone(tmp_path, line, code, said):
    bad, good = read_rows(text_table(tmp_path, f"radiograph,side,kl_grade\n{line}\nb.png,left,1\n"))
    assert bad.refusal is not None
    assert bad.refusal.code == code
    assert said in bad.refusal.sentence
    assert good.refusal is None


@pytest.mark.parametrize(
    ("text", "columns", "code"),
    [
        ("a,b\n1,2\n", None, "bad-columns"),
        ("radiograph,b\n1,2\n", "film", "bad-columns"),
        ("radiograph,b\n1,2\n", "radiograph,side", "bad-columns"),
        ("radiograph,b\n1,2\n", "weight=b", "bad-columns"),
        ("", None, "bad-table"),
        ("radiograph\n", None, "no-radiographs"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(tmp_path, text, columns, code):
    with pytest.raises(InputError) as caught:
        read_rows(text_table(tmp_path, text), columns)
    assert caught.value.code == code


def test_other_encodings_missing_tables_and_wrong_reference_columns(tmp_path):
    with pytest.raises(InputError, match="UTF-8"):
        read_rows(text_table(tmp_path, "radiograph\nMüller.png\n", "latin-1"))
    with pytest.raises(InputError, match="There is no table or folder"):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no column 'mri'"):
        read_rows(text_table(tmp_path, "radiograph\na.png\n"), None, "mri")
    assert read_rows(text_table(tmp_path, "radiograph\na.png\n", "utf-8-sig"))[0].radiograph.name == "a.png"


def test_what_a_model_may_be_told_of_the_person(tmp_path):
    (row,) = read_rows(text_table(tmp_path, "radiograph,age,sex,bmi\na.png,61.5,Woman,27\n"))
    assert dict(row.own) == {"age": 61.5, "sex": "woman", "bmi": 27.0}


def test_comments_and_empty_lines_count_for_nothing(tmp_path):
    rows = read_rows(text_table(tmp_path, "# made by hand\nradiograph\n\na.png\n# b.png\nc.png\n"))
    assert [(row.number, row.radiograph.name) for row in rows] == [(1, "a.png"), (2, "c.png")]


def test_a_folder_gives_its_radiographs_in_order(tmp_path):
    for name in ("b.png", "a/2.DCM", "a/1.webp", ".hidden/x.png", "notes.txt", "._a.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "1.2.840.1").write_bytes(bytes(128) + b"DICM...")
    found = [row.radiograph.relative_to(tmp_path).as_posix() for row in read_rows(tmp_path)]
    assert found == ["1.2.840.1", "a/1.webp", "a/2.DCM", "b.png"]
    with pytest.raises(InputError, match="has no columns"):
        read_rows(tmp_path, "film")
