"""Pairs that come while a training runs: prepared in other processes, each once, bad ones left out."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_pairs import drawn_pair

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.pairs.pair_store import write_pair  # noqa: E402
from Xray2MRILib.training.data.growing_pairs import GrowingPairs, GrowingRows  # noqa: E402
from Xray2MRILib.training.data.pair_data import load_stored_volume  # noqa: E402

PATIENCE_S = 120.0


def taken(pairs: GrowingPairs, count: int) -> dict[str, np.ndarray]:
    """What has come, when ``count`` pairs have."""
    found: dict[str, np.ndarray] = {}
    until = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < until:
        for name, prepared in pairs.take(2):
            assert name not in found
            found[name] = prepared
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_each_pair_that_comes_is_prepared_once(tmp_path: Path, workers: int) -> None:
    for k in range(2):
        write_pair(tmp_path, k, drawn_pair(k))
    with GrowingPairs(tmp_path, load_stored_volume, workers, ["knee-000000.npz"], 3) as pairs:
        assert set(taken(pairs, 1)) == {"knee-000001.npz"}
        write_pair(tmp_path, 5, drawn_pair(5))
        found = taken(pairs, 1)
        assert set(found) == {"knee-000005.npz"}
        assert np.array_equal(found["knee-000005.npz"], load_stored_volume(tmp_path / "knee-000005.npz"))
        write_pair(tmp_path, 3, drawn_pair(3))  # one more than there may be
        time.sleep(1.2)
        assert pairs.take(9) == []


def test_a_pair_that_cannot_be_read_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pair(tmp_path, 0, drawn_pair(0))
    (tmp_path / "knee-000001.npz").write_bytes(b"no pair")
    shutil.copy(tmp_path / "knee-000000.npz", tmp_path / "knee-000002.npz")
    with GrowingPairs(tmp_path, load_stored_volume, 0, ["knee-000000.npz"]) as pairs:
        assert set(taken(pairs, 1)) == {"knee-000002.npz"}
    assert "knee-000001.npz is left out" in capsys.readouterr().out


def test_a_folder_without_pairs_is_waited_for(tmp_path: Path) -> None:
    with GrowingPairs(tmp_path / "pairs", load_stored_volume, 0, []) as pairs:
        assert pairs.take(1) == []
        (tmp_path / "pairs").mkdir()
        write_pair(tmp_path / "pairs", 0, drawn_pair(0))
        assert len(taken(pairs, 1)) == 1


def test_rows_are_added_beyond_the_room() -> None:
    rows = GrowingRows({"a": torch.arange(2.0), "b": torch.ones(2, 3, dtype=torch.uint8)}, 3)
    for number in range(2, 9):
        rows.add({"a": torch.tensor([float(number)]), "b": torch.zeros(1, 3, dtype=torch.uint8), "c": torch.ones(1)})
        assert len(rows) == number + 1
    found = rows.tensors()
    assert set(found) == {"a", "b"}
    assert found["a"].tolist() == list(range(9))
    assert found["b"].dtype == torch.uint8
    assert found["b"].sum() == 6
