"""One .npz file: what was written comes back; a file that cannot be put in place leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import Xray2MRIError
from Xray2MRILib.files.npz_file import write_npz


def test_arrays_come_back_and_replace_earlier_ones(tmp_path: Path) -> None:
    for number in (1.5, 2.5):
        write_npz(tmp_path / "knee.npz", values=np.full((2, 3), number, np.float16), record=np.arange(4))
    with np.load(tmp_path / "knee.npz", allow_pickle=False) as data:
        assert data["values"].dtype == np.float16
        assert np.array_equal(data["values"], np.full((2, 3), 2.5))
        assert data["record"].tolist() == [0, 1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["knee.npz"]


def test_a_refused_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "knee.npz").mkdir()  # a folder stands where the file should be
    with pytest.raises(Xray2MRIError):
        write_npz(tmp_path / "knee.npz", values=np.zeros(3))
    assert [path.name for path in tmp_path.iterdir()] == ["knee.npz"]
    with pytest.raises(Xray2MRIError):
        write_npz(tmp_path / "absent" / "knee.npz", values=np.zeros(3))
