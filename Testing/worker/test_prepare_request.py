"""The quick look at a radiograph that a caller asks the worker for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from worker_process import WorkerProcess

from Xray2MRILib.conditions.intensity_histogram import intensity_histogram
from Xray2MRILib.conditions.koa_classifier import classify_koa
from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.radiograph_check import check_radiograph
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.radiograph.reading import read_radiograph


@pytest.fixture(scope="module")
def worker():
    """One warm worker for all tests of this file."""
    shared = WorkerProcess()
    yield shared
    shared.end()


def test_a_radiograph_of_two_knees(worker, two_knee_radiograph, tmp_path):
    worker.send("prepare", job="look", radiograph=str(two_knee_radiograph), preview=str(tmp_path / "knee.png"))
    result = worker.wait_for("result", "error")["result"]
    radiograph = read_radiograph(two_knee_radiograph)
    knee = prepare_knee(radiograph, GenerationSettings())
    assert (result["film"]["rows"], result["film"]["columns"]) == radiograph.pixels.shape
    assert result["film"]["turned_upright"] == []
    assert len(result["knees"]) == 2
    assert [found["side"] for found in result["knees"]] == ["right", "left"]
    assert result["knees"][0]["box"][0] < result["knees"][1]["box"][0]
    assert result["knees"][result["chosen"]]["box"][0] == pytest.approx(knee.box.x)
    assert result["side"] == knee.prepared.side
    assert result["film_warnings"] == knee.warnings
    assert result["warning_fields"] == {knee.warnings[0]: "knee"}
    assert result["plausible"] is True
    np.testing.assert_allclose(result["probabilities"], classify_koa(knee.prepared.image).values, atol=1e-5)
    np.testing.assert_allclose(result["histogram"], intensity_histogram(knee.prepared.image), atol=1e-6)
    assert result["probabilities_source"] == "classifier"

    shown = np.asarray(Image.open(result["preview"]), np.float32)
    unmirrored = knee.prepared.image[0][:, ::-1] if knee.prepared.mirrored else knee.prepared.image[0]
    assert np.abs(shown / 127.5 - 1 - np.clip(unmirrored, -1, 1)).max() < 1 / 127


def test_the_other_knee_and_a_rectangle(worker, two_knee_radiograph):
    worker.send("prepare", job="left", radiograph=str(two_knee_radiograph), knee=2)
    second = worker.wait_for("result", "error")["result"]
    assert (second["chosen"], second["side"]) == (1, "left")
    x, y, width, height = second["knees"][1]["box"]
    worker.send("prepare", job="drawn", radiograph=str(two_knee_radiograph), roi=[x, y, width, height], side="left")
    drawn = worker.wait_for("result", "error")["result"]
    assert drawn["box_source"] == "user"
    assert drawn["knees"][0]["box"] == pytest.approx([x, y, width, height])
    np.testing.assert_allclose(drawn["probabilities"], second["probabilities"], atol=1e-5)
    assert drawn["preview"] is None


def test_dark_bone_by_the_caller_s_word(worker, tmp_path):
    from drawn_radiograph import stored
    from radiograph_files import write_dicom

    pixels = stored()
    dark = write_dicom(tmp_path / "dark.dcm", (4095 - pixels).astype(np.uint16), 12)
    bright = write_dicom(tmp_path / "bright.dcm", pixels, 12)
    results = {}
    for job, path, photometric in (("as it is", dark, None), ("put right", dark, "inverted"), ("bright", bright, None)):
        worker.send("prepare", job=job, radiograph=str(path), photometric=photometric)
        results[job] = worker.wait_for("result", "error", job=job)["result"]
    (sentence,) = [text for text in results["as it is"]["film_warnings"] if "Bone looks dark" in text]
    assert results["as it is"]["warning_fields"][sentence] == "photometric"
    assert "photometric" not in results["put right"]["warning_fields"].values()
    assert (results["as it is"]["film"]["inverted"], results["put right"]["film"]["inverted"]) == (False, True)
    np.testing.assert_allclose(results["put right"]["probabilities"], results["bright"]["probabilities"], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"photometric": "negative"}, "bad-option"),
        ({"radiograph": "missing.png"}, None),
        ({"roi": [1, 2, 3]}, "bad-option"),
        ({"knee": 9}, "no-such-knee"),
        ({"preview": "picture.txt"}, "bad-output"),
        ({"preview": "/proc/nothing/picture.png"}, None),
    ],
)
def test_what_cannot_be_looked_at(worker, two_knee_radiograph, change, code):
    worker.send("prepare", **{"job": "bad", "radiograph": str(two_knee_radiograph), **change})
    error = worker.wait_for("error", "result", job="bad")
    assert error["type"] == "error"
    assert error["code"] != "internal", error
    assert code is None or error["code"] == code
    assert error["message"].endswith(".")


def test_no_knee_on_the_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    result = check_radiograph(tmp_path / "noise.png")
    assert result["plausible"] is False
    assert any("may not be a frontal knee" in sentence for sentence in result["film_warnings"])
    assert (result["chosen"] is None) == (result["knees"] == [])
