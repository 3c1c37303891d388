"""Whole runs with real workers and a model small enough for seconds."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from cohort_files import (
    RADIOGRAPHS,
    ROOT,
    done_keys,
    manifest_lines,
    quick_settings,
    read_table,
    varied_radiographs,
    without_times,
    write_table,
)

from Xray2MRILib.cohort import run_cohort
from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.pipeline_cache import PipelineCache
from Xray2MRILib.generation.volume_from_radiograph import generate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, tiny_model):
    """Good and bad rows in one run: (table, folder, result)."""
    home = tmp_path_factory.mktemp("cohort")
    blank = home / "blank.png"
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)).save(blank)
    shutil.copy(RADIOGRAPHS / "0052.webp", home / "Doe_John.webp")
    single, both = str(RADIOGRAPHS / "0075.webp"), "Doe_John.webp"
    table = write_table(home / "table.csv", [
        {"radiograph": single, "side": "", "kl_grade": "", "id": "one"},
        {"radiograph": both, "side": "left", "kl_grade": "3", "id": "two"},
        {"radiograph": both, "side": "right", "kl_grade": "", "id": "three"},
        {"radiograph": both, "side": "right", "kl_grade": "", "id": "again"},
        {"radiograph": "Jane_Roe.png", "side": "", "kl_grade": "", "id": "missing"},
        {"radiograph": str(ROOT / "README.md"), "side": "", "kl_grade": "", "id": "text"},
        {"radiograph": single, "side": "medial", "kl_grade": "", "id": "column"},
        {"radiograph": str(blank), "side": "", "kl_grade": "", "id": "noise"},
    ])  # fmt: skip
    heard = []
    result = run_cohort(table, home / "out", quick_settings(tiny_model), on_progress=heard.append)
    return table, home / "out", result, heard


def test_every_row_has_its_state_and_reason(mixed):
    _, out, result, heard = mixed
    rows = read_table(out)
    assert [(row["id"], row["state"], row["code"]) for row in rows] == [
        ("one", "done", ""), ("two", "done", ""), ("three", "done", ""), ("again", "refused", "duplicate"),
        ("missing", "refused", "missing-file"), ("text", "refused", "not-a-radiograph"),
        ("column", "refused", "bad-option"), ("noise", "refused", "no-knee"),
    ]  # fmt: skip
    assert all(row["sentence"].endswith(".") for row in rows if row["state"] == "refused")
    assert result.exit_code == 0
    assert result.counts == {"waiting": 0, "running": 0, "done": 3, "refused": 5, "failed": 0}
    assert heard[-1]["fraction"] == 1.0
    assert heard[-1]["per_hour"] > 0


def test_the_table_holds_the_measures(mixed):
    first, second, third = read_table(mixed[1])[:3]
    assert (first["side"], first["grade_source"], first["plausible"]) == ("right", "classifier", "yes")
    assert (second["side"], second["grade"], second["grade_source"]) == ("left", "3", "reader")
    assert (third["side"], third["knees_found"]) == ("right", "2")
    assert "2 knees were found" in third["warnings"]
    for row in (first, second, third):
        assert float(row["seconds"]) > 0
        assert re.fullmatch(r"volumes/(..)/\1.{14}\.nrrd", row["volume"])
        for name in ("joint_band_medial_mm", "joint_band_lateral_mm", "joint_line_mm", "outline_mm"):
            assert row[name] == "" or float(row[name]) >= 0


def test_no_name_of_a_file_and_no_path_is_kept(mixed):
    _, out, _, _ = mixed
    for path in out.rglob("*"):
        if path.is_file() and path.suffix != ".jpg":
            content = path.read_bytes()
            if path.suffix == ".nrrd":  # compressed voxels hold any three letters by chance
                content = content.partition(b"\n\n")[0]
            for name in (b"Doe", b"John", b"Jane", b"0075", str(out.parent).encode()):
                assert name not in content, (path, name)


def plain_record(text: str) -> dict:
    record = json.loads(text)
    del record["created_utc"], record["run"]["seconds"]
    return record


def header_without_times(path) -> dict[str, str]:
    image = sitk.ReadImage(str(path))
    return {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()
            if not key.endswith(("created_utc", "run.seconds"))}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "radiograph", "changes"),
    [(0, "0075.webp", {}), (1, "0052.webp", {"side": "left", "kl_grade": 3}), (2, "0052.webp", {"side": "right"})],
)
def test_a_volume_equals_that_of_generate(mixed, tiny_model, tmp_path, place, radiograph, changes):
    _, out, _, _ = mixed
    made = out / read_table(out)[place]["volume"]
    settings = quick_settings(tiny_model, **changes)
    generate(RADIOGRAPHS / radiograph, tmp_path / "v.nrrd", settings, pipelines=PipelineCache())
    alone, ours = sitk.ReadImage(str(tmp_path / "v.nrrd")), sitk.ReadImage(str(made))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(alone))
    assert header_without_times(made) == header_without_times(tmp_path / "v.nrrd")
    assert plain_record(made.with_suffix(".json").read_text(encoding="utf-8")) == plain_record(
        (tmp_path / "v.json").read_text(encoding="utf-8")
    )


def test_a_second_run_has_nothing_to_do_and_a_lost_volume_is_made_again(mixed, tiny_model):
    table, out, _, _ = mixed
    before, text = len(manifest_lines(out)), without_times(out)
    settings = quick_settings(tiny_model)
    assert run_cohort(table, out, settings).exit_code == 0
    assert len(manifest_lines(out)) == before
    first, second, third = (out / row["volume"] for row in read_table(out)[:3])
    first.unlink()
    with second.open("r+b") as file:  # the size stays
        file.seek(2000)
        file.write(b"\x00\x01\x02")
    os.utime(third)  # only touched, e.g. by a copy
    dry = run_cohort(table, out, settings, dry_run=True)
    assert [row["state"] for row in dry.rows[:3]] == ["waiting", "waiting", "done"]
    assert run_cohort(table, out, settings).exit_code == 0
    assert len(manifest_lines(out)) == before + 2
    assert without_times(out) == text
    assert sitk.ReadImage(str(second)).GetSize()[2] == 8


def test_other_settings_model_or_folder_are_refused(mixed, tiny_model, tmp_path):
    table, out, _, _ = mixed
    with pytest.raises(InputError, match="another seed") as caught:
        run_cohort(table, out, quick_settings(tiny_model, seed=5))
    assert (caught.value.code, caught.value.field) == ("other-settings", "seed")
    with pytest.raises(InputError, match="another model"):
        run_cohort(table, out, quick_settings("compact"), dry_run=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="holds no cohort"):
        run_cohort(table, tmp_path / "full", quick_settings(tiny_model))
    with pytest.raises(InputError, match="does not exist"):
        run_cohort(table, tmp_path / "none" / "out", quick_settings(tiny_model))


def test_the_edited_table_decides_what_the_results_show(mixed, tiny_model, tmp_path):
    """A row less, one with another grade, one renamed, one repaired: only what is new is made."""
    _, out, _, _ = mixed
    copied = tmp_path / "out"
    shutil.copytree(out, copied)
    shutil.copy(RADIOGRAPHS / "0052.webp", tmp_path / "renamed.webp")
    shutil.copy(RADIOGRAPHS / "0075.webp", tmp_path / "found.webp")
    table = write_table(tmp_path / "table.csv", [
        {"radiograph": "renamed.webp", "side": "right", "kl_grade": "", "id": "three"},
        {"radiograph": "found.webp", "side": "", "kl_grade": "4", "id": "missing"},
        {"radiograph": "renamed.webp", "side": "left", "kl_grade": "3", "id": "two"},
    ])  # fmt: skip
    before = manifest_lines(copied)
    assert run_cohort(table, copied, quick_settings(tiny_model)).exit_code == 0
    new = manifest_lines(copied)[len(before) :]
    assert [line["id"] for line in new] == ["missing"]
    rows = read_table(copied)
    assert [(row["id"], row["state"], row["grade"]) for row in rows] == [
        ("three", "done", rows[0]["grade"]), ("missing", "done", "4"), ("two", "done", "3")
    ]  # fmt: skip


def test_limit_shares_ids_and_a_folder(tiny_model, tmp_path):
    films = tmp_path / "films"
    varied_radiographs(films, 5)
    out, settings = films / "out", quick_settings(tiny_model)  # results inside of the folder are no radiographs
    dry = run_cohort(films, out, settings, dry_run=True)
    assert [row["state"] for row in dry.rows] == ["waiting"] * 5
    assert not out.exists()
    assert run_cohort(films, out, settings, limit=1).counts["done"] == 1
    second = run_cohort(films, out, settings, stride=(1, 2))
    assert (second.counts["done"], sum(second.counts.values())) == (2, 2)
    assert (out / "manifest-1-of-2.jsonl").exists()
    assert [row["state"] for row in read_table(out)] == ["done", "done", "waiting", "done", "waiting"]
    last = run_cohort(films, out, settings)
    assert last.counts["done"] == 5
    assert sorted(done_keys(out)) == sorted({row["key"] for row in read_table(out)})
    assert {row["id"] for row in read_table(out)} == {""}


def test_nothing_to_read_is_exit_code_2(tiny_model, tmp_path):
    table = write_table(
        tmp_path / "t.csv", [{"radiograph": "a.png", "id": "secret"}, {"radiograph": "b.png", "id": "x"}]
    )
    result = run_cohort(table, tmp_path / "out", quick_settings(tiny_model), keep_ids=False)
    assert result.exit_code == 2
    assert "secret" not in (tmp_path / "out" / "table.csv").read_text(encoding="utf-8")
    assert "secret" not in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")


def test_several_samples_have_their_deviation(tiny_model, tmp_path):
    table = write_table(tmp_path / "t.csv", [{"radiograph": str(RADIOGRAPHS / "0075.webp")}])
    result = run_cohort(table, tmp_path / "out", quick_settings(tiny_model, samples=2))
    assert result.exit_code == 0
    (line,) = manifest_lines(tmp_path / "out")
    assert set(line["files"]) == {"volume", "provenance", "deviation", "noise_free", "thumbnail"}
    assert run_cohort(table, tmp_path / "out", quick_settings(tiny_model, samples=2), dry_run=True).counts["done"] == 1
