"""The messages between worker and caller: encoding, decoding, and what counts as a fault."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.worker.channel import report_line
from Xray2MRILib.worker.protocol import (
    LONGEST_LINE_BYTES,
    REPORTS,
    REQUESTS,
    SETTINGS,
    LineSplitter,
    decode,
    encode,
    fault,
)

_VALUES = {
    "text": "a",
    "integer": 3,
    "number": 2.5,
    "flag": True,
    "numbers": [1, 2.5],
    "object": {"a": None},
}


def _full(kind: str, table: dict) -> dict:
    return {"type": kind, **{name: _VALUES[field.kind] for name, field in table[kind].items()}}


@pytest.mark.parametrize(("kind", "table"), [(k, t) for t in (REQUESTS, REPORTS) for k in t])
def test_every_message_survives_the_wire_and_is_in_order(kind, table):
    message = _full(kind, table)
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message
    assert fault(message, table) is None


@pytest.mark.parametrize(("kind", "table"), [(k, t) for t in (REQUESTS, REPORTS) for k in t])
def test_each_missing_or_wrong_field_is_named(kind, table):
    for name, field in table[kind].items():
        message = _full(kind, table)
        message[name] = [[]]
        assert name in fault(message, table)
        del message[name]
        sentence = fault(message, table)
        assert (name in sentence) if field.required else sentence is None


def test_a_newline_within_a_text_does_not_end_the_line():
    message = {"type": "log", "message": "two\nlines \u2028 and Ünïcode"}
    assert encode(message).count(b"\n") == 1
    assert decode(encode(message)) == message


def test_nan_is_refused_both_ways():
    with pytest.raises(ValueError, match="JSON"):
        encode({"type": "log", "message": float("nan")})
    assert decode(b'{"type": "log", "message": NaN}') is None


@pytest.mark.parametrize("value", ["1e999", "-1e999", "1" + 400 * "0"])
def test_numbers_that_no_float_holds_are_refused(value):
    """JSON reads 1e999 as infinity, without the word."""
    message = decode(b'{"type":"enhance","job":"1","volume":"a","output":"b","spacing":' + value.encode() + b"}")
    assert "spacing" in fault(message, REQUESTS)
    message = decode(b'{"type":"compare","job":"1","volume":"a","reference":"b","output_folder":"c","initial":[0,'
                     + value.encode() + b"]}")  # fmt: skip
    assert "initial" in fault(message, REQUESTS)


def test_integers_have_at_most_64_bits():
    request = {**_full("generate", REQUESTS), "seed": 2**63 - 1}
    assert fault(request, REQUESTS) is None
    assert "seed" in fault({**request, "seed": 2**63}, REQUESTS)


def test_reports_are_in_order_whatever_a_file_is_called():
    """A name in another encoding reaches Python with halves of surrogate pairs, which the caller would not take."""
    name = b"caf\xe9.dcm".decode("utf-8", "surrogateescape")
    line = report_line("error", job="1", code="a", message=f"The file {name} cannot be read.", hint="", field="")
    report = decode(line)
    assert fault(report, REPORTS) is None
    assert report["message"] == "The file caf?.dcm cannot be read."
    report = decode(report_line("result", job="1", result={"files": [name, "\U0001f9b5"], name: {"a": (1, None)}}))
    assert report["result"] == {"files": ["caf?.dcm", "\U0001f9b5"], "caf?.dcm": {"a": [1, None]}}
    with pytest.raises(ValueError, match="JSON"):
        report_line("result", job="1", result={"psnr": float("nan")})


def test_true_is_no_number():
    assert "slices" in fault({**_full("generate", REQUESTS), "slices": True}, REQUESTS)


@given(st.binary(max_size=200))
def test_no_line_raises(line):
    message = decode(line)
    if message is not None:
        fault(message, REQUESTS)


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text() | st.lists(st.floats()), max_size=6))
def test_any_object_is_judged_without_raising(fields):
    fault({**fields, "type": "generate"}, REQUESTS)


def test_depth_of_nesting_does_not_raise():
    assert decode(b"[" * 100_000) is None


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda b: b"\n" not in b and b.strip() == b), max_size=9),
    st.data(),
)
def test_lines_come_out_whole_however_they_are_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    splitter, received = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received == lines


def test_an_endless_line_does_not_fill_the_memory():
    splitter = LineSplitter()
    received = [line for _ in range(5) for line in splitter.feed(b"x" * (LONGEST_LINE_BYTES // 2))]
    assert received
    assert max(map(len, received)) <= LONGEST_LINE_BYTES


@pytest.mark.parametrize("pieces", [1, 3])
def test_the_end_of_an_endless_line_is_no_message(pieces):
    splitter = LineSplitter()
    stream = [b"x" * (LONGEST_LINE_BYTES + 1), *[b"y" * LONGEST_LINE_BYTES] * pieces, b'{"type":"shutdown"}\n{"type":',
              b'"cancel"}\n']  # fmt: skip
    received = [line for data in stream for line in splitter.feed(data)]
    assert received == [b"x" * LONGEST_LINE_BYTES, b'{"type":"cancel"}']


def test_the_settings_of_the_protocol_are_those_of_a_generation():
    """Its names are part of the protocol; kinds, ranges and words come with each setting."""
    assert set(SETTINGS) == {
        "slices", "steps", "model", "device", "seed", "samples", "side", "roi", "kl", "kl_grade", "guidance_scale",
        "noise_scale", "sampler", "knee", "keep_identifiers", "photometric", "scanner_noise", "precision", "age", "sex",
        "bmi",
    }  # fmt: skip
    assert {name for name, field in SETTINGS.items() if field.kind == "integer"} == {
        "slices", "steps", "seed", "samples", "kl_grade", "knee",
    }  # fmt: skip
    values = {"slices": 7, "steps": 3, "guidance_scale": 2.0, "side": "left", "kl": [0.2] * 5}
    settings = GenerationSettings.from_message({"type": "generate", **values})
    assert (settings.num_slices, settings.sampling.num_inference_steps, settings.sampling.guidance_scale) == (7, 3, 2.0)
    assert "2 to 500" in SETTINGS["slices"].meaning
    assert "cuda" in SETTINGS["device"].meaning


def test_the_caller_needs_the_standard_library_only():
    program = (
        "import sys, json; from Xray2MRILib import protocol; "
        "print(json.dumps([m for m in ('numpy', 'torch', 'diffusers', 'SimpleITK') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
