"""The background worker, driven as its callers drive it: real processes, real pipes, a tiny model."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from volumes import asymmetric_volume

from Xray2MRILib.volume.pseudo_mri import PseudoMRI
from Xray2MRILib.worker.protocol import PROTOCOL_VERSION

# long enough that no machine finishes it before the test does something to it
ENDLESS = {"slices": 500, "steps": 1000}
QUICK = {"slices": 5, "steps": 2}


def _left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_handshake(start):
    worker = start()
    starting = worker.next()
    assert starting == {"type": "starting", "pid": worker.process.pid, "protocol": PROTOCOL_VERSION}
    hello = worker.next()
    assert hello["type"] == "hello"
    assert hello["pid"] == worker.process.pid
    assert hello["device"] in ("cpu", "cuda", "mps")
    assert hello["free_memory_bytes"] > 1_000_000
    assert hello["versions"]["torch"]
    assert hello["idle_shutdown_s"] == 300
    worker.send("shutdown")
    assert worker.rest() == []
    assert worker.process.wait(10) == 0


def test_two_jobs_with_one_loading_of_the_model(start, request_for, tmp_path):
    worker = start()
    # the first request goes out before the worker can be ready
    worker.send("generate", **request_for("first", slice_folder=str(tmp_path / "slices")))
    first = worker.wait_for("result")["result"]
    said = list(worker.reports)
    worker.send("generate", **request_for("second", seed=1))
    second = worker.wait_for("result", "error")["result"]
    assert first["timings_s"]["load model"] > 5 * second["timings_s"]["load model"]

    fractions = [report["fraction"] for report in said if report["type"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any(report["eta_s"] for report in said if report["type"] == "progress")
    assert {report["job"] for report in said if "job" in report} == {"first"}

    volume = PseudoMRI.load(first["volume"])
    slices = [report for report in said if report["type"] == "slice"]
    assert sorted(report["depth_index"] for report in slices) == list(range(5))
    for report in slices:
        image = np.load(report["file"], allow_pickle=False)
        assert image.dtype == np.float32
        # 16-bit storage keeps 1/4095 of the grey range
        assert np.abs(image - volume.shown[report["file_index"]]).max() < 1 / 4095
        assert report["u"] == pytest.approx(volume.depth_positions[report["file_index"]])
    assert not np.array_equal(PseudoMRI.load(second["volume"]).array, volume.array)


def test_cancelling_in_the_middle(worker, request_for, tmp_path):
    folder = tmp_path / "slices"
    worker.send("generate", **request_for("endless", **{**ENDLESS, "slice_folder": str(folder), "steps": 50}))
    worker.wait_for("slice")
    worker.send("cancel", job="endless")
    asked = time.monotonic()
    error = worker.wait_for("error", "result", job="endless")
    assert error["code"] == "cancelled"
    assert time.monotonic() - asked < 10
    assert _left_over(tmp_path) == []

    worker.send("generate", **request_for("after"))
    assert worker.wait_for("result", "error")["type"] == "result"


def test_only_one_job_at_a_time(worker, request_for):
    worker.send("generate", **request_for("long", **ENDLESS))
    worker.wait_for("progress", stage="sample")
    worker.send("generate", **request_for("impatient"))
    error = worker.wait_for("error")
    assert (error["job"], error["code"]) == ("impatient", "busy")
    worker.send("cancel", job="another")
    assert worker.wait_for("error")["code"] == "no-such-job"
    worker.send("cancel")
    assert worker.wait_for("error")["code"] == "cancelled"
    worker.send("cancel")
    assert worker.wait_for("error")["code"] == "no-such-job"


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'{"no": "type"}',
        b'{"type": "fly"}',
        b'{"type": "generate"}',
        b'{"type": "generate", "job": 5, "radiograph": "a", "output": "b"}',
        b'{"type": "generate", "job": "x", "radiograph": "a", "output": "b.nrrd", "slices": "many"}',
        b'{"type": "generate", "job": "x", "radiograph": "a", "output": "b.nrrd", "slices": NaN}',
        b'{"type": "generate", "job": "x", "radiograph": "a", "output": "b.nrrd", "guidance_scale": 1e999}',
        b'{"type": "densify", "job": "x"}',
        b"[" * 5000,
    ],
)
def test_lines_that_cannot_be_understood(worker, line):
    worker.send_bytes(line + b"\n")
    error = worker.next()
    assert error["type"] == "error"
    assert error["code"] == "bad-request"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"radiograph": "missing.png"}, None),
        ({"slices": 1}, "bad-option"),
        ({"roi": [1, 2, 3]}, "bad-option"),
        ({"kl": [1, 1, 1, 1, 1]}, "bad-probabilities"),
        ({"output": "volume.txt"}, "bad-output"),
        ({"output": "/proc/volume.nrrd"}, None),
        ({"model": "no/such/model"}, "no-such-model"),
        ({"device": "mps" if sys.platform != "darwin" else "cuda"}, "no-such-device"),
        ({"radiograph": "a\0b"}, "bad-request"),
        ({"slice_folder": "/proc/nothing"}, "bad-output"),
    ],
)
def test_jobs_that_cannot_be_done(worker, request_for, tmp_path, change, code):
    worker.send("generate", **{**request_for("bad"), **change})
    error = worker.wait_for("error", "result", job="bad")
    assert error["type"] == "error"
    assert error["code"] != "internal", error
    assert code is None or error["code"] == code
    assert error["message"].endswith((".", "?"))
    assert "\n" not in error["message"]
    assert _left_over(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
@pytest.mark.parametrize("name", ["n" * 300, "n/" * 3000, "pipe"])
@pytest.mark.parametrize(
    ("kind", "field", "others"),
    [
        ("generate", "model", {"radiograph": "", "output": "v.nrrd"}),
        ("densify", "volume", {"radiograph": "", "output": "v.nrrd", "slices": 5}),
        ("early-oa", "network", {"radiograph": "", "output": "m.npy"}),
        ("progress", "morphing_model", {"radiograph": "", "output_folder": "p", "frames": 2}),
        ("compare", "volume", {"reference": "scan.nrrd", "output_folder": "."}),
        ("compare", "reference", {"volume": "volume.nrrd", "output_folder": "."}),
        ("export", "volume", {"output": "x.csv"}),
        ("export", "comparison", {"volume": "volume.nrrd", "output": "x.csv"}),
        ("enhance", "volume", {"output": "e.nrrd", "spacing": 1.0}),
    ],
)
def test_names_that_the_system_does_not_take_and_pipes_that_nobody_fills(
    worker, knee_radiograph, tmp_path, kind, field, others, name
):
    os.mkfifo(tmp_path / "pipe.nrrd")
    asymmetric_volume(5).save(tmp_path / "volume.nrrd")
    request = {key: str(tmp_path / value) if isinstance(value, str) else value for key, value in others.items()}
    request |= {key: str(knee_radiograph) for key in ("radiograph",) if key in others}
    worker.send(kind, job="bad", **{**request, field: str(tmp_path / "pipe.nrrd") if name == "pipe" else name})
    error = worker.wait_for("error", "result", job="bad", patience_s=60)
    assert error["type"] == "error"
    assert error["code"] != "internal", error
    assert len(error["message"]) < 400
    assert "\n" not in error["message"]
    assert _left_over(tmp_path) == ["volume.json", "volume.nrrd"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"roi": [5000, 5000, 100, 100]}, "roi"),
        ({"knee": 3}, "knee"),
        ({"kl": [1, 1, 1, 1, 1]}, "kl"),
        ({"device": "mps" if sys.platform != "darwin" else "cuda"}, "device"),
        ({"radiograph": "missing.png"}, ""),
    ],
)
def test_an_error_names_the_field_of_the_request(worker, request_for, change, field):
    worker.send("generate", **{**request_for("bad"), **change})
    error = worker.wait_for("error", "result", job="bad")
    assert error["field"] == field
    assert "--" not in error["message"] + error["hint"]


def test_more_depths_of_a_job_and_of_a_file(worker, request_for, tmp_path):
    request = request_for("coarse", seed=3)
    worker.send("generate", **request)
    coarse = PseudoMRI.load(worker.wait_for("result", "error")["result"]["volume"])

    worker.send("densify", job="dense", of_job="coarse", slices=9, output=str(tmp_path / "dense.mha"))
    dense = PseudoMRI.load(worker.wait_for("result", "error")["result"]["volume"])
    assert dense.num_slices == 9
    np.testing.assert_array_equal(dense.array[::2], coarse.array)

    worker.send(
        "densify", job="from file", slices=9, output=str(tmp_path / "again.nii.gz"), volume=request["output"],
        radiograph=request["radiograph"], model=request["model"], device="cpu",
    )  # fmt: skip
    again = PseudoMRI.load(worker.wait_for("result", "error")["result"]["volume"])
    assert np.abs(again.array - dense.array).max() <= 1 / 4095 + 1e-6

    # a side-car from before volumes said how far their noise spread
    card = Path(request["output"]).with_suffix(".json")
    record = json.loads(card.read_text(encoding="utf-8"))
    for name in ("guidance_share", "noise_scale"):
        del record["sampling"][name]
    card.write_text(json.dumps(record), encoding="utf-8")
    worker.send(
        "densify", job="from earlier", slices=9, output=str(tmp_path / "earlier.nrrd"), volume=request["output"],
        radiograph=request["radiograph"], model=request["model"], device="cpu",
    )  # fmt: skip
    earlier = PseudoMRI.load(worker.wait_for("result", "error")["result"]["volume"])
    assert earlier.provenance["sampling"]["noise_scale"] == 1
    np.testing.assert_array_equal(earlier.array, dense.array)

    worker.send("densify", job="lost", of_job="never", slices=9, output=str(tmp_path / "lost.nrrd"))
    assert worker.wait_for("error")["code"] == "no-such-job"
    worker.send("densify", job="vague", slices=9, output=str(tmp_path / "lost.nrrd"))
    assert worker.wait_for("error")["code"] == "bad-request"


def test_noise_by_default_for_clients_that_know_no_such_field_and_none_on_request(worker, request_for):
    worker.send("generate", **request_for("older"))
    older = worker.wait_for("result", "error")["result"]
    worker.send("generate", **request_for("clean", scanner_noise=0))
    clean = worker.wait_for("result", "error")["result"]
    assert (older["scanner_noise"], clean["scanner_noise"]) == (1.0, 0.0)
    assert older["noise_free"]
    assert clean["noise_free"] is None
    assert np.array_equal(PseudoMRI.load(older["volume"]).array, PseudoMRI.load(clean["volume"]).array)
    worker.send("generate", **request_for("odd", scanner_noise=9))
    error = worker.wait_for("error", "result")
    assert (error["code"], error["field"]) == ("bad-option", "scanner_noise")


def test_the_precision_of_a_job_is_recorded_and_an_impossible_one_refused(worker, request_for):
    worker.send("generate", **request_for("exact", precision="fp32"))
    assert worker.wait_for("result", "error")["result"]["precision"] == "fp32"
    worker.send("densify", job="more", of_job="exact", slices=9, output=request_for("more")["output"])
    assert worker.wait_for("result", "error")["result"]["precision"] == "fp32"
    for word, sentence in (("fp16", "processors compute no fp16"), ("double", "auto, fp32, bf16 or fp16")):
        worker.send("generate", **request_for("odd", precision=word))
        error = worker.wait_for("error", "result")
        assert (error["code"], error["field"]) == ("bad-option", "precision")
        assert sentence in error["message"]
