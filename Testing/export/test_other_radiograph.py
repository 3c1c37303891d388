"""A volume is never filed under another patient: every door that takes a radiograph refuses one that is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from radiograph_files import sample_pixels, write_dicom
from volumes import asymmetric_volume, record_of, volume_from
from worker_process import WorkerProcess

from Xray2MRILib.cli import main
from Xray2MRILib.errors import InputError
from Xray2MRILib.export.convert import convert
from Xray2MRILib.export.dicom_series import write_dicom_series
from Xray2MRILib.preparation.recorded_radiograph import match_radiograph, require_radiograph
from Xray2MRILib.reports.volume_report import report_html, write_report

OWN = {"PatientName": "Own^Person", "PatientID": "OWN-1", "StudyInstanceUID": "1.2.3"}
OTHER = {"PatientName": "Other^Person", "PatientID": "OTHER-7", "StudyInstanceUID": "1.2.4"}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, Path]:
    """The volume's own radiograph and such as are not: another knee, the same knee moved, with one pixel changed."""
    folder = tmp_path_factory.mktemp("films")
    own = sample_pixels("kl2_left.webp")
    changed = own.copy()
    changed[own.shape[0] // 2, own.shape[1] // 2] ^= 255
    pixels = {
        "own": own,
        "other knee": sample_pixels("kl3_left.webp"),
        "upside down": np.ascontiguousarray(own[::-1]),
        "moved": np.roll(own, 3, axis=1),
        "one pixel changed": changed,
        "too small": np.ascontiguousarray(own[:40, :40]),
    }
    return {
        name: write_dicom(folder / f"{name.replace(' ', '_')}.dcm", grey, **(OWN if name == "own" else OTHER))
        for name, grey in pixels.items()
    }


@pytest.fixture(scope="module")
def volume(films):
    return volume_from(films["own"], 3)


@pytest.fixture(scope="module")
def saved(volume, tmp_path_factory) -> Path:
    return volume.save(tmp_path_factory.mktemp("saved") / "knee.nrrd").volume


OTHERS = ("other knee", "upside down", "moved", "one pixel changed", "too small")


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("keep", [True, False])
def test_a_series_refuses_another_radiograph(volume, films, tmp_path, name, keep):
    with pytest.raises(InputError, match="was not made from the radiograph") as caught:
        write_dicom_series(volume, tmp_path / "s", radiograph=films[name], keep_identifiers=keep)
    assert caught.value.code == "other-radiograph"
    assert list(tmp_path.iterdir()) == []


def test_the_own_radiograph_gives_its_patient(volume, films, tmp_path):
    files = write_dicom_series(volume, tmp_path / "s", radiograph=films["own"], keep_identifiers=True)
    assert {pydicom.dcmread(path).PatientID for path in files} == {"OWN-1"}


@pytest.mark.parametrize("form", ["dicom", "report"])
def test_convert_refuses_in_every_form_that_uses_the_radiograph(saved, films, tmp_path, form):
    for output in (tmp_path / "folder", tmp_path / "page.html") if form == "report" else (tmp_path / "folder",):
        with pytest.raises(InputError, match="was not made from"):
            convert(saved, output, form, radiograph=films["other knee"])
        convert(saved, output, form, radiograph=films["own"])
        assert output.exists()


def test_reports_refuse(volume, films, tmp_path):
    for write in (lambda: report_html(volume, radiograph=films["moved"]),
                  lambda: write_report(volume, tmp_path / "r.html", radiograph=films["moved"])):  # fmt: skip
        with pytest.raises(InputError, match="was not made from"):
            write()
    assert list(tmp_path.iterdir()) == []
    assert "as the model received it" in report_html(volume, radiograph=films["own"])


@pytest.mark.parametrize("options", [("--keep-identifiers",), ()])
@pytest.mark.parametrize("output", ["series", "page.html"])
def test_the_command_refuses(saved, films, tmp_path, capsys, options, output):
    given = ["convert", str(saved), str(tmp_path / output), "--radiograph", str(films["other knee"]), *options]
    assert main(given) == 2
    printed = capsys.readouterr()
    assert "was not made from the radiograph other_knee.dcm" in printed.err
    assert "--radiograph" in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_worker_refuses(saved, films, tmp_path):
    worker = WorkerProcess()
    try:
        for job, (form, output, keep) in enumerate(
            [("dicom", "a", True), ("dicom", "b", False), ("report", "c.html", False), ("report", "d", False)]
        ):
            worker.send("export", job=str(job), volume=str(saved), output=str(tmp_path / output), format=form,
                        radiograph=str(films["other knee"]), keep_identifiers=keep)  # fmt: skip
            found = worker.wait_for("result", "error", job=str(job))
            assert (found["type"], found["code"]) == ("error", "other-radiograph")
        assert list(tmp_path.iterdir()) == []
        worker.send("export", job="own", volume=str(saved), output=str(tmp_path / "own"), format="dicom",
                    radiograph=str(films["own"]), keep_identifiers=True)  # fmt: skip
        files = worker.wait_for("result", "error", job="own")["result"]["files"]
        assert pydicom.dcmread(files[0]).PatientID == "OWN-1"
    finally:
        worker.end()


def test_a_volume_that_does_not_record_its_radiograph_takes_nobodys_name(films, tmp_path):
    record = record_of(films["own"])
    del record["crop_sha256"]
    older = asymmetric_volume(2, radiograph=record)
    for keep in (True, False):
        with pytest.raises(InputError, match=r"does not record which radiograph .* own\.dcm cannot be confirmed"):
            write_dicom_series(older, tmp_path / "s", radiograph=films["own"], keep_identifiers=keep)
    assert list(tmp_path.iterdir()) == []
    write_dicom_series(older, tmp_path / "s")
    assert not match_radiograph(older.provenance, films["own"]).recorded


@pytest.mark.parametrize("about", [None, [], "x", {}, {"crop_sha256": None}, {"crop_sha256": "ab" * 32}])
def test_records_that_say_too_little(films, about):
    with pytest.raises(InputError):
        require_radiograph({} if about is None else {"radiograph": about}, films["own"])


@pytest.mark.parametrize("radiograph", [None, "picture"])
def test_identifiers_without_a_dicom_radiograph_are_refused(volume, tmp_path, knee_radiograph, radiograph):
    given = None if radiograph is None else knee_radiograph
    with pytest.raises(InputError, match="no identifiers to keep"):
        write_dicom_series(volume, tmp_path / "s", radiograph=given, keep_identifiers=True)
    assert list(tmp_path.iterdir()) == []


def test_figures_of_another_volume_are_refused(saved, volume, tmp_path):
    from Xray2MRILib.volume.writing import read_record

    own = read_record(saved.with_suffix(".json"))["volume"]["voxels_sha256"]
    rows = [{"index": index, "psnr_db": 12.0} for index in range(3)]
    figures = tmp_path / "c.json"
    for record in ({"voxels_sha256": "ab" * 32, "per_slice": rows}, {"per_slice": rows[:2]}):
        figures.write_text(json.dumps(record), encoding="utf-8")
        with pytest.raises(InputError, match=r"c\.json is one of another volume"):
            convert(saved, tmp_path / "t.csv", comparison=figures)
        assert not (tmp_path / "t.csv").exists()
    for record in ({"voxels_sha256": own, "per_slice": rows}, {"per_slice": rows}):
        figures.write_text(json.dumps(record), encoding="utf-8")
        convert(saved, tmp_path / "t.csv", comparison=figures)
