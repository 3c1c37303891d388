"""The joint that is laid over tissue maps: a saved one goes first, distances keep a tenth of a millimetre."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from Xray2MRILib.simulation.anatomy.multi_echo_joint import REGISTERED, registered_joint, save_registered
from Xray2MRILib.simulation.anatomy.multi_echo_maps import MultiEchoMaps
from Xray2MRILib.simulation.pairs import template_library
from Xray2MRILib.simulation.pairs.template_library import multi_echo_hash


def test_a_saved_joint_is_taken_as_it_is(tmp_path: Path) -> None:
    distance = np.linspace(-20, 20, 8 * 9 * 10, dtype=np.float32).reshape(8, 9, 10)
    save_registered({"femur": distance, "patella": -distance}, tmp_path / REGISTERED)
    found = registered_joint(tmp_path, cast(MultiEchoMaps, None), (0.0, 0.0, 0.0))  # the maps are not needed
    assert set(found) == {"femur", "patella"}
    near = np.abs(distance) < 12.7
    assert np.abs(found["femur"] - distance)[near].max() < 0.0501
    assert np.abs(found["femur"]).max() == np.float32(12.7)
    assert np.array_equal(found["patella"], -found["femur"])


def test_templates_are_named_by_the_joint_laid_over_the_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved joint, or a change of the label map that is laid over otherwise, gives other names."""
    anatomy = tmp_path / "anatomy"
    (anatomy / "multi_echo_knee").mkdir(parents=True)
    (anatomy / "multi_echo_knee" / "water.nrrd").write_bytes(b"maps")
    labels = anatomy / "dess_knee"
    labels.mkdir()
    (labels / "labels.json").write_text('{"side": "left", "labels": {}}', encoding="utf-8")
    (labels / "labels.nrrd").write_bytes(b"labels")
    monkeypatch.setattr(template_library, "resource_path", lambda name: tmp_path / name)
    names = [multi_echo_hash.__wrapped__()]
    (labels / "labels.nrrd").write_bytes(b"other labels")
    names.append(multi_echo_hash.__wrapped__())
    (anatomy / "multi_echo_knee" / REGISTERED).write_bytes(b"joint")
    names.append(multi_echo_hash.__wrapped__())
    assert len(set(names)) == 3
    (labels / "labels.nrrd").write_bytes(b"labels")  # not laid over any more
    assert multi_echo_hash.__wrapped__() == names[2]
