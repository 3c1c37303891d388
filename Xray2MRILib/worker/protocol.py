"""The messages between the background worker and its caller: one JSON object per line, UTF-8, in both directions.

Both sides import this file; it and its imports need only the standard library.

A caller starts ``python -m Xray2MRILib.worker`` with pipes on stdin and stdout. The worker sends REPORTS, the caller
sends REQUESTS; the two tables below name every field. General rules:

- The first line is ``starting`` with the worker's own pid (a launcher may stand between caller and worker); ``hello``
  follows once torch is loaded. Requests may be sent before that.
- One job runs at a time. A request for a second one is answered by ``error`` with code ``busy``.
- Every job ends with exactly one ``result`` or one ``error`` (code ``cancelled`` after ``cancel``). The worker then
  waits for the next request with its model still loaded.
- End of file on stdin ends the worker at once. After ``shutdown``, or after the idle time without a request, it ends
  when its current job is done.
- An invalid line is answered by ``error`` without a job; it never ends the worker.
- Unknown fields are ignored, so that newer versions can add fields. Incompatible changes increase PROTOCOL_VERSION.
- stdout carries only these lines. Output of libraries goes to stderr.

A conversation, with > to the worker and < from it::

    < {"type":"starting","pid":4711,"protocol":1}
    < {"type":"hello","pid":4711,"protocol":1,"versions":{...},"device":"cpu","device_name":"...",...}
    > {"type":"generate","job":"1","radiograph":"/data/knee.dcm","output":"/data/knee.nrrd","slice_folder":"/tmp/s"}
    < {"type":"progress","job":"1","stage":"sample","step":40,"of":1000,"fraction":0.12,"eta_s":21.0}
    < {"type":"slice","job":"1","depth_index":49,"file_index":0,"of":50,"u":1.0,"file":"/tmp/s/...npy",...}
    < {"type":"result","job":"1","result":{"volume":"/data/knee.nrrd",...}}
    > {"type":"densify","job":"2","of_job":"1","slices":99,"output":"/data/knee_99.nrrd"}
    > {"type":"cancel","job":"2"}
    < {"type":"error","job":"2","code":"cancelled","message":"Cancelled before ...","hint":"","field":""}
    > {"type":"shutdown"}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..generation.settings import SETTINGS as CHOICES

PROTOCOL_VERSION = 1
# longer lines are invalid: the longest valid messages have a few kilobytes
LONGEST_LINE_BYTES = 1_000_000


@dataclass(frozen=True)
class Field:
    """One field of a message: ``kind`` is text, integer, number, flag, numbers, texts or object."""

    kind: str
    meaning: str
    required: bool = False


_JOB = Field("text", "the caller's name for the job, repeated in all its reports", required=True)

# The settings of a generation; absent ones take the defaults of GenerationSettings.
SETTINGS: dict[str, Field] = {name: Field(setting.kind, setting.description) for name, setting in CHOICES.items()}

REQUESTS: dict[str, dict[str, Field]] = {
    "generate": {
        "job": _JOB,
        "radiograph": Field("text", "path of the radiograph", required=True),
        "output": Field("text", "path of the volume to write: .nrrd, .nii.gz or .mha", required=True),
        "montage": Field("text", "path of a PNG overview to write"),
        "slice_folder": Field(
            "text",
            "folder for finished slices; the caller removes it. Without it no slice reports are sent",
        ),
        **SETTINGS,
    },
    # either of_job, or volume and radiograph; all other settings are those of the earlier volume
    "densify": {
        "job": _JOB,
        "slices": Field("integer", "the new number of depths", required=True),
        "output": Field("text", "path of the volume to write", required=True),
        "of_job": Field("text", "an earlier job of this worker, whose volume gets more depths"),
        "volume": Field("text", "a volume file with its side-car"),
        "radiograph": Field("text", "the radiograph of the volume file"),
        "model": SETTINGS["model"],
        "device": SETTINGS["device"],
        "precision": SETTINGS["precision"],
        "slice_folder": Field("text", "as for generate"),
    },
    # a quick check of the radiograph without the diffusion model; generation/radiograph_check.py describes the result
    "prepare": {
        "job": _JOB,
        "radiograph": Field("text", "path of the radiograph", required=True),
        "preview": Field("text", "path of a PNG of the joint crop to write"),
        **{name: SETTINGS[name] for name in ("side", "roi", "knee", "photometric")},
    },
    # KL-2 against KL-0 and where; generation/early_osteoarthritis.py describes the result
    "early-oa": {
        "job": _JOB,
        "radiograph": Field("text", "path of the radiograph", required=True),
        "output": Field("text", "path of the map to write, .npy", required=True),
        "network": Field("text", "folder of a Siamese-GAP network; if absent, the one that ships"),
        **{name: SETTINGS[name] for name in ("side", "roi", "knee", "photometric")},
    },
    # a series of radiographs of rising severity; progression/radiograph_series.py describes the result
    "progress": {
        "job": _JOB,
        "radiograph": Field("text", "path of the radiograph", required=True),
        "output_folder": Field("text", "new or empty folder for the series", required=True),
        "to_grade": Field("integer", "grade of the last frame, 1 to 4; 4 if absent"),
        "course": Field("text", "course of the disease, a name that the model knows; its usual one if absent"),
        "frames": Field("integer", "number of radiographs, 2 to 100; 8 if absent"),
        "volumes": Field("flag", "also make a pseudo-MRI of every radiograph"),
        "morphing_model": Field("text", "folder of a morphing model instead of the shipped one"),
        **SETTINGS,
    },
    # Xray2MRILib.comparison.compare describes the result
    "compare": {
        "job": _JOB,
        "volume": Field("text", "a volume file with its side-car", required=True),
        "reference": Field("text", "an MRI of the same knee: volume file or folder of DICOM slices", required=True),
        "align": Field("text", "rigid, similarity or none; rigid if absent"),
        "initial": Field("numbers", "4 x 4 matrix row by row, LPS mm: from points of the reference to the volume"),
        "controls": Field("text", "folder of other patients' volumes"),
        "output_folder": Field("text", "existing folder for the output files; the caller owns it", required=True),
    },
    "export": {
        "job": _JOB,
        "volume": Field("text", "a volume file with its side-car", required=True),
        "output": Field("text", "file to write, or a new or empty folder for a DICOM series", required=True),
        "format": Field("text", "file, dicom, report or table; if absent, the name of the output decides"),
        "radiograph": Field("text", "the radiograph of the volume, for the report and for DICOM references"),
        "comparison": Field("text", "JSON file of a compare result, for report and table"),
        "keep_identifiers": Field("flag", "copy patient and study of a DICOM radiograph to the DICOM series"),
    },
    # Xray2MRILib.super_resolution.enhance describes the result
    "enhance": {
        "job": _JOB,
        "volume": Field("text", "path of an MRI or of a pseudo-MRI with its side-car", required=True),
        "output": Field("text", "path of the volume to write: .nrrd, .nii.gz or .mha", required=True),
        "spacing": Field("number", "largest voxel edge of the result in mm", required=True),
        "model": Field("text", "name or folder of a network, or interpolation"),
        "teacher": Field("flag", "use the diffusion model of this network"),
        "thickness": Field("number", "thickness of the measured slices in mm; if absent, the file's"),
        "device": SETTINGS["device"],
    },
    "cancel": {"job": Field("text", "the job to stop; if absent, the running job")},
    "shutdown": {},
}

REPORTS: dict[str, dict[str, Field]] = {
    "starting": {
        "pid": Field("integer", "process number of the worker itself", required=True),
        "protocol": Field("integer", "PROTOCOL_VERSION of the worker", required=True),
    },
    "hello": {
        "pid": Field("integer", "process number of the worker itself", required=True),
        "protocol": Field("integer", "PROTOCOL_VERSION of the worker", required=True),
        "versions": Field("object", "package name -> version, null if not installed", required=True),
        "device": Field("text", "the device for auto: cpu, cuda or mps", required=True),
        "device_name": Field("text", "name of the device for display", required=True),
        "free_memory_bytes": Field("integer", "free memory on that device, null if unknown"),
        "idle_shutdown_s": Field("number", "the worker ends after this time in s without a request", required=True),
    },
    "progress": {
        "job": _JOB,
        "stage": Field("text", "read, localise, load model, encode, sample, decode, write, ...", required=True),
        "step": Field("integer", "steps of this stage done", required=True),
        "of": Field("integer", "steps of this stage in all", required=True),
        "fraction": Field("number", "finished share of the whole job, 0 to 1, never decreasing", required=True),
        "eta_s": Field("number", "remaining seconds, null while unknown"),
    },
    "slice": {
        "job": _JOB,
        "depth_index": Field("integer", "0 is the most posterior slice", required=True),
        "file_index": Field("integer", "index of the slice in the volume file, 0 is the most anterior", required=True),
        "of": Field("integer", "number of slices of the volume", required=True),
        "u": Field("number", "depth from -1 (posterior) to 1 (anterior)", required=True),
        "file": Field("text", ".npy file, float32 [H, W]: rows run down, columns patient right to left", required=True),
        "grey_range": Field("numbers", "smallest and largest possible grey value of the slice", required=True),
        "grid": Field(
            "object",
            "the future volume: size, spacing_mm, origin_lps_mm, direction_lps as in SimpleITK, and grey = stored * "
            "intensity_slope + intensity_intercept",
        ),
    },
    "result": {"job": _JOB, "result": Field("object", "see Xray2MRILib.generation.generation_result", required=True)},
    "error": {
        "job": Field("text", "absent if the error does not concern a job"),
        "code": Field("text", "stable machine-readable word", required=True),
        "message": Field("text", "one sentence for the user", required=True),
        "hint": Field("text", "what the user can do, may be empty", required=True),
        "field": Field("text", "name of the faulty field of the request, may be empty"),
    },
    "log": {
        "message": Field("text", "one line for a log window", required=True),
        "job": Field("text", "the job of the message"),
    },
}

_KINDS: dict[str, Any] = {
    # file names cannot contain a null character, and system calls fail on it
    "text": lambda value: isinstance(value, str) and "\0" not in value and _is_encodable(value),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63,
    "number": lambda value: _is_number(value),
    "flag": lambda value: isinstance(value, bool),
    "numbers": lambda value: isinstance(value, list) and all(_KINDS["number"](item) for item in value),
    "object": lambda value: isinstance(value, dict),
}


_IN_WORDS = {
    "text": "a text that a file name can hold",
    "integer": "an integer of at most 64 bits",
    "number": "a number",
    "flag": "true or false",
    "numbers": "a list of numbers",
    "object": "an object",
}


def _is_encodable(text: str) -> bool:
    """False for half of a surrogate pair, which JSON can write; SimpleITK ends the process that opens such a name."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: Any) -> bool:
    """False for 1e999 too, which JSON reads as infinity, and for integers that no float holds."""
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_one and abs(value) <= sys.float_info.max


def encode(message: dict[str, Any]) -> bytes:
    """One message as one line of ASCII JSON. Raises ValueError for values that JSON does not allow, such as NaN."""
    return json.dumps(message, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def decode(line: bytes | str) -> dict[str, Any] | None:
    """The message in one line, or None if the line is not a JSON object with a ``type``."""
    try:
        message = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None


def fault(message: dict[str, Any], table: dict[str, dict[str, Field]]) -> str | None:
    """What is wrong with a decoded message by REQUESTS or REPORTS, as one sentence; None when it is in order.

    Null counts as absent. Ranges are not judged here but by whoever carries the message out.
    """
    fields = table.get(message["type"])
    if fields is None:
        return f"There is no message {message['type'][:40]!r}; known are {', '.join(table)}."
    for name, field in fields.items():
        value = message.get(name)
        if value is None:
            if field.required:
                return f"The message {message['type']} lacks its field {name}."
        elif not _KINDS[field.kind](value):
            return f"The field {name} of the message {message['type']} is not {_IN_WORDS[field.kind]}."
    return None


class LineSplitter:
    """Cuts a stream of bytes into lines, keeping an unfinished one until the rest arrives."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines completed by these bytes, without newline; a line longer than LONGEST_LINE_BYTES is truncated."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._is_skipping:
            # the end of a line whose beginning came out already: half a line could be a message by chance
            self._is_skipping = not lines
            lines, self._rest = lines[1:], self._rest if lines else b""
        if len(self._rest) > LONGEST_LINE_BYTES:
            lines.append(self._rest[:LONGEST_LINE_BYTES])
            self._rest, self._is_skipping = b"", True
        for line in lines:
            if line.strip():
                yield line.strip()
