"""Pairs, manifest, preview: round trip, refusals, and a run that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError
from Xray2MRILib.simulation.anatomy.knee_parameters import draw
from Xray2MRILib.simulation.pairs import manifest
from Xray2MRILib.simulation.pairs.knee_pair import KneePair
from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair, read_record, write_pair

ROOT = Path(__file__).resolve().parents[3]


def a_pair(seed: int) -> KneePair:
    """Smooth random pictures in place of a knee's."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    volume = ndimage.gaussian_filter(rng.random((50, 256, 256), dtype=np.float32), (1, 4, 4))
    volume = (volume - volume.min()) / np.ptp(volume)
    bone, soft = (ndimage.gaussian_filter(rng.random((288, 288)), 5).astype(np.float32) for _ in range(2))
    return KneePair(draw(seed, seed % 5, ("t",), {"t": 74.0}), volume, bone, soft, {"medial": 3.5, "lateral": 4.5})


def test_pair_survives_the_disk(tmp_path: Path) -> None:
    pair = a_pair(7)
    path = write_pair(tmp_path, 3, pair)
    assert path.stat().st_size < 2_000_000
    back = read_pair(path)
    assert back.parameters == pair.parameters
    assert back.joint_space_mm == pair.joint_space_mm
    assert np.abs(back.volume - pair.volume).max() <= 0.5 / 255 + 1e-6  # half a grey level
    assert np.abs(back.bone - pair.bone).max() <= pair.bone.max() / 65535
    assert list_pairs(tmp_path) == [path]


@pytest.mark.parametrize("former", [1, 2, 3])
def test_pairs_of_former_formats_are_refused_with_the_remedy(tmp_path: Path, former: int) -> None:
    """Each reader names the format and says how to get pairs that this version reads."""
    path = write_pair(tmp_path, 0, a_pair(1))
    with np.load(path) as data:
        parts = dict(data)
    record = json.loads(bytes(parts["record"])) | {"format": former}
    parts["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    np.savez(path, **parts)
    for reader in (read_pair, read_record):
        with pytest.raises(InputError, match=f"is a simulated pair of format {former}") as refused:
            reader(path)
        assert "xray2mri simulate -o FOLDER" in str(refused.value.hint)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive at all"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "knee-000000.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"knee-000000.npz is not a simulated pair"):
        read_pair(path)


@pytest.mark.parametrize("record", [{}, [1], {"parameters": {}}, {"parameters": {"seed": 1}, "joint_space_mm": {},
                                    "film_mm": 1, "film_peaks": [1, 1], "slices": 50, "format": 4}])  # fmt: skip
def test_a_record_of_something_else_is_refused(tmp_path: Path, record: object) -> None:
    path = tmp_path / "knee-000000.npz"
    np.savez(path, record=np.frombuffer(json.dumps(record).encode(), np.uint8))
    with pytest.raises(InputError, match=r"knee-000000.npz is not a simulated pair"):
        read_pair(path, volume=False, radiograph=False)


def test_manifest_names_every_file_and_finds_damage(tmp_path: Path) -> None:
    for index in range(3):
        write_pair(tmp_path, index, a_pair(index))
    written = manifest.write_manifest(tmp_path, 0, {"t": "hash"})
    assert manifest.read_manifest(tmp_path) == written
    assert [entry["file"] for entry in written["pairs"]] == [p.name for p in list_pairs(tmp_path)]
    rows = (tmp_path / manifest.TABLE).read_text(encoding="utf-8").splitlines()
    assert len(rows) == 4
    assert rows[0].startswith("file,seed,kl_grade,template,scale_0")
    assert "true_joint_space_medial_mm" in rows[0]
    assert manifest.damaged_pairs(tmp_path) == []
    second = tmp_path / "knee-000001.npz"
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    (tmp_path / "knee-000002.npz").unlink()
    assert manifest.damaged_pairs(tmp_path) == ["knee-000001.npz", "knee-000002.npz"]


def test_populations_are_not_mixed(tmp_path: Path) -> None:
    manifest.check_same_population(tmp_path, 5, {"t": "a"})  # an empty folder is anyone's
    manifest.write_manifest(tmp_path, 0, {"t": "a"})
    manifest.check_same_population(tmp_path, 0, {"t": "a"})
    for seed, maps, what in ((1, {"t": "a"}, "seed"), (0, {"t": "b"}, "label maps")):
        with pytest.raises(InputError, match=f"another {what}"):
            manifest.check_same_population(tmp_path, seed, maps)
    (tmp_path / manifest.MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not readable"):
        manifest.check_same_population(tmp_path, 0, {"t": "a"})


def test_preview_shows_every_grade(tmp_path: Path) -> None:
    from PIL import Image

    from Xray2MRILib.simulation.pairs.pair_preview import write_preview

    for index in range(6):
        write_pair(tmp_path, index, a_pair(index))
    with Image.open(write_preview(tmp_path, tmp_path / "sheet.png")) as sheet:
        assert sheet.format == "PNG"
        assert sheet.height > 6 * 176
    with pytest.raises(InputError, match="not a PNG file"):
        write_preview(tmp_path, tmp_path / "sheet.jpg")


# Runs in a process of its own; a knee takes half a second so that the kill falls into the middle.
_SLOW_RUN = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from test_pair_store import a_pair
from Xray2MRILib.simulation.pairs.pair_store import pair_path, write_pair
folder = Path({folder!r})
for index in range(200):
    if not pair_path(folder, index).exists():
        write_pair(folder, index, a_pair(index % 3))
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_run_leaves_only_whole_pairs(tmp_path: Path) -> None:
    code = _SLOW_RUN.format(root=str(ROOT), tests=str(Path(__file__).parent), folder=str(tmp_path))
    for wanted in (1, 3):
        process = subprocess.Popen([sys.executable, "-c", code])
        while len(list(tmp_path.glob("knee-??????.npz"))) < wanted and process.poll() is None:
            time.sleep(0.02)
        time.sleep(0.05 * wanted)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        found = list_pairs(tmp_path)
        assert len(found) >= wanted
        for path in found:
            assert read_pair(path).volume.shape == (50, 256, 256)
