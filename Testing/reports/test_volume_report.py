"""The report of a volume is self-contained, shows what it should, and contains no identifier."""

from __future__ import annotations

import base64
import csv
import io
import json
import re

import numpy as np
import pytest
from comparison_results import COMPARISON
from html_page import HtmlPage
from PIL import Image
from volumes import asymmetric_volume

from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.radiograph.reading import read_radiograph
from Xray2MRILib.reports.comparison_record import read_comparison
from Xray2MRILib.reports.per_slice_table import rows_of_volume, write_per_slice_table
from Xray2MRILib.reports.volume_pictures import radiograph_picture, slices_picture
from Xray2MRILib.reports.volume_report import report_html, write_report


@pytest.fixture(scope="module")
def page():
    return HtmlPage(report_html(asymmetric_volume(7, deviation=True), comparison=COMPARISON))


def test_it_says_what_it_is_first(page):
    assert page.text.index("SYNTHETIC, NOT FOR DIAGNOSIS") < page.text.index("Pseudo-MRI of a left knee")
    assert "model tiny" in page.text
    assert "What this does and does not mean" in page.text


def test_nothing_is_loaded_from_elsewhere(page):
    assert len(page.addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    for address in page.addresses:
        picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
        assert np.asarray(picture.convert("L")).std() > 5


def test_grades_and_figures_are_in_it(page):
    for words in ("<1 %", "10 %", "30 %", "50 %", "12.8", "15.2", "PSNR (dB)", "Another contrast."):
        assert words in page.text
    assert COMPARISON["verdict"] in page.text  # escaped once, and readable


def test_agreement_with_the_radiograph_stands_beside_other_radiographs():
    figures = {"outline_mm": None, "joint_line_mm": 0.87}
    beside = {"outline_mm": 2.5, "outline_of": 20, "outline_farther": None,
              "joint_line_mm": 1.93, "joint_line_of": 20, "joint_line_farther": 18}  # fmt: skip
    agreement = {
        "applies": True, "as_placed": figures, "after_fit": figures, "reasons": ["The outline <was> not found."],
        "other_films": {"count": 20, "as_placed": beside, "after_fit": beside},
    }  # fmt: skip
    text = report_html(asymmetric_volume(reprojection=agreement))
    for words in ("0.87", "1.93", "18 of 20", "does not prove that the volume is correct", "&lt;was&gt;"):
        assert words in text
    refused = report_html(asymmetric_volume(reprojection={"applies": False, "summary": "Not applicable: too few."}))
    assert "Not applicable: too few." in refused
    assert "Agreement of the bones" not in report_html(asymmetric_volume())


def test_an_undefined_slice_is_a_gap_in_the_chart():
    html = report_html(asymmetric_volume(7), comparison=COMPARISON)
    charts = dict(
        zip(re.findall(r'<svg[^>]+aria-label="([^"]+)"', html), re.findall(r"<svg.*?</svg>", html), strict=True)
    )
    assert charts["RSSIM"].count("<polyline") == 2
    assert charts["PSNR (dB)"].count("<polyline") == 1
    heights = [float(point.split(",")[1]) for point in re.search(r'points="([^"]+)"', charts["PSNR (dB)"])[1].split()]
    assert heights == sorted(heights, reverse=True)  # better is higher up
    assert np.allclose(np.diff(heights), np.diff(heights).mean(), atol=0.11)


def test_slices_keep_their_order_and_sides():
    """The grid starts with the most posterior slice; its bright corner would be at the other end otherwise."""
    volume = asymmetric_volume(7)
    grey = np.asarray(slices_picture(volume).convert("L"), np.float32)
    first, seventh = grey[60:240, 60:240].mean(), grey[326 + 60 : 326 + 240, 620 + 60 : 620 + 240].mean()
    assert first == pytest.approx(255 * volume.array[6, 6:25, 10:38].mean(), abs=8)
    assert seventh == pytest.approx(255 * volume.array[0, 6:25, 10:38].mean(), abs=8)


def test_no_person_and_no_path_is_in_it():
    volume = asymmetric_volume(
        3,
        identifiers={"radiograph": "/data/mustermann.dcm"},
        warnings=["The radiograph is dark."],
        patient_name="Mustermann",
        plausibility={"plausible": False, "score": 0.1, "reasons": []},
    )
    text = HtmlPage(report_html(volume)).text
    assert "ustermann" not in text
    assert "/data" not in text
    assert "The radiograph is dark." in text
    assert "may not be a frontal knee radiograph" in text


@pytest.fixture(scope="module")
def volume_of_radiograph(knee_radiograph):
    import hashlib

    knee = prepare_knee(read_radiograph(knee_radiograph), GenerationSettings(side="right"))
    pixels = np.clip(knee.prepared.image, -1, 1).astype("<f4")
    record = {**knee.prepared.record, "crop_sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
    return asymmetric_volume(3, side="right", radiograph=record), knee


def test_the_radiograph_shows_the_joint_that_the_model_saw(volume_of_radiograph, knee_radiograph, two_knee_radiograph):
    volume, knee = volume_of_radiograph
    picture, recorded = radiograph_picture(volume, knee_radiograph)
    assert recorded
    shown = np.asarray(picture.convert("L").resize((256, 256), Image.Resampling.BOX), np.float32)
    inner = (slice(40, 216), slice(40, 216))
    seen = (knee.prepared.image[0] * 0.5 + 0.5) * 255
    assert np.corrcoef(shown[inner].ravel(), seen[inner].ravel())[0, 1] > 0.99
    with pytest.raises(InputError, match="was not made from the radiograph 0052"):
        radiograph_picture(volume, two_knee_radiograph)


def test_a_volume_without_record_of_its_radiograph_says_so_below_the_picture(volume_of_radiograph, knee_radiograph):
    volume, _ = volume_of_radiograph
    older = {name: value for name, value in volume.provenance["radiograph"].items() if name != "crop_sha256"}
    text = report_html(asymmetric_volume(3, side="right", radiograph=older), radiograph=knee_radiograph)
    assert "The volume does not record its radiograph" in text
    assert "as the model received it" not in text


def test_the_table_of_a_comparison_reads_as_csv(tmp_path):
    path = write_per_slice_table(asymmetric_volume(7), tmp_path / "t.csv", COMPARISON)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# Synthetic image")
    rows = list(csv.DictReader(lines[1:]))
    assert [float(row["PSNR (dB)"]) for row in rows] == [12.5 + index for index in range(7)]
    assert rows[3]["RSSIM"] == ""
    assert rows[6]["correlation with next slice"] == ""


def test_the_table_of_a_volume_alone():
    volume = asymmetric_volume(7, deviation=True)
    rows = rows_of_volume(volume)
    assert [row["depth_mm"] for row in rows] == pytest.approx([-36.75 + 12.25 * index for index in range(7)])
    assert rows[2]["mean_grey"] == pytest.approx(volume.array[2].mean(), abs=1e-6)
    assert rows[2]["mean_deviation"] == pytest.approx(0.1 * volume.array[2].mean(), abs=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"per_slice": 3}', '{"per_slice": [{"psnr_db": 3}]}', '{"per_slice": [{"index": "0"}]}',
     '{"per_slice": [{"index": null}]}', "\x00", "[" * 50_000],
)  # fmt: skip
def test_a_file_that_is_no_comparison_is_refused(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"c\.json does not hold"):
        read_comparison(path)


def test_a_comparison_with_or_without_its_envelope(tmp_path):
    path = tmp_path / "c.json"
    for record in (COMPARISON, {"type": "result", "job": "1", "result": COMPARISON}):
        path.write_text(json.dumps(record), encoding="utf-8")
        assert read_comparison(path)["per_slice"][1]["psnr_db"] == 13.5


def test_what_else_a_comparison_holds_does_no_harm(tmp_path):
    path = tmp_path / "c.json"
    rows = [{**row, "remark": "text", "correlation_reference": 0.95} for row in COMPARISON["per_slice"]]
    path.write_text(
        json.dumps({**COMPARISON, "per_slice": rows, "lags": {"pseudo": [0.9]}, "calibration": None}), encoding="utf-8"
    )
    text = HtmlPage(report_html(asymmetric_volume(7), comparison=read_comparison(path))).text
    assert "the same in the real MRI" in text
    assert "remark" not in text


def test_reports_are_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "r.html").write_text("old", encoding="utf-8")
    with pytest.raises(InputError):
        write_report(asymmetric_volume(3), tmp_path / "r.html", radiograph=tmp_path / "missing.png")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == "old"
    write_report(asymmetric_volume(3), tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(InputError, match="not named as HTML"):
        write_report(asymmetric_volume(3), tmp_path / "r.pdf")
