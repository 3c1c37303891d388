"""What the provenance says and what it keeps to itself."""

from __future__ import annotations

import datetime
import json
from importlib import metadata

import numpy as np
import pytest

from Xray2MRILib.volume import provenance


@pytest.fixture
def record() -> dict:
    return provenance.build_provenance(
        model={"name": "/home/someone/models/compact", "version": "1", "weights_sha256": "ab" * 32},
        sampling={"seed": 7, "steps": np.int64(20), "sampler": "ddim", "num_slices": 50},
        radiograph={"box": np.array([1.0, 2.0, 3.0, 4.0]), "side": "left", "side_source": "file name"},
        koa={"values": (0.2,) * 5, "source": "uniform"},
        plausibility={"plausible": True, "score": np.float32(0.5), "reasons": []},
        identifiers={"input": "/data/Doe_John.dcm", "PatientName": "Doe^John"},
    )


def test_it_says_that_the_picture_is_synthetic_and_what_made_it(record: dict) -> None:
    assert "Synthetic" in record["notice"]
    assert "not for diagnosis" in record["notice"]
    assert record["model"]["name"] == "compact"
    assert record["schema_version"] == provenance.SCHEMA_VERSION
    assert record["libraries"]["numpy"] == np.__version__
    assert record["libraries"]["SimpleITK"] == metadata.version("SimpleITK")
    time = datetime.datetime.strptime(record["created_utc"], "%Y-%m-%dT%H:%M:%SZ")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    assert abs(now - time) < datetime.timedelta(minutes=1)


def test_identifiers_leave_with_their_section(record: dict) -> None:
    text = json.dumps(provenance.remove_identifiers(record))
    for word in ("Doe", "John", "dcm", "/home", "someone", "identifiers"):
        assert word not in text
    assert json.loads(text)["radiograph"]["side_source"] == "file name"


@pytest.mark.parametrize(
    "key",
    [
        "path",
        "source_path",
        "file_name",
        "PatientName",
        "patient_id",
        "StudyInstanceUID",
        "AccessionNumber",
        "InstitutionName",
        "study_date",
        "SeriesDescription",
        "hostname",
        "SOPInstanceUID",
        "filename",
    ],
)
def test_keys_that_tell_whose_knee_it_is_are_dropped(key: str) -> None:
    kept = provenance.remove_identifiers({"radiograph": {key: "Doe", "rows": 256}})
    assert kept == {"radiograph": {"rows": 256}}


@pytest.mark.parametrize("path", ["/data/a.png", "~/a.png", "C:\\films\\a.png", "\\\\server\\a", "file:///a"])
def test_paths_are_dropped_whatever_their_key(path: str) -> None:
    assert provenance.remove_identifiers({"a": {"b": path}, "c": [path, 1]}) == {"a": {}, "c": [1]}


@pytest.mark.parametrize("key", ["format", "side", "box", "file_format", "photometric", "view_position", "bits"])
def test_keys_of_the_radiograph_stay(key: str) -> None:
    assert provenance.remove_identifiers({key: "x"}) == {key: "x"}


def test_plain_is_json(record: dict) -> None:
    again = json.loads(json.dumps(provenance.plain(record), allow_nan=False))
    assert again["radiograph"]["box"] == [1, 2, 3, 4]
    assert again["sampling"]["steps"] == 20
    assert provenance.plain({"a": float("nan"), "b": (True, np.bool_(False))}) == {"a": None, "b": [True, False]}


def test_header_fields_are_flat_single_lines(record: dict) -> None:
    fields = provenance.header_fields({**record, "note": "one\ntwo", "long": list(range(99)), "none": None})
    assert fields["Xray2MRI.sampling.seed"] == "7"
    assert fields["Xray2MRI.note"] == "one two"
    assert fields["Xray2MRI.none"] == "unknown"
    assert fields["Xray2MRI.plausibility.plausible"] == "true"
    assert json.loads(fields["Xray2MRI.koa.values"]) == [0.2] * 5
    assert "Xray2MRI.long" not in fields
    assert not any("\n" in value for value in fields.values())
