"""Volumes that were changed, cut or moved after they were written are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from random_volume import ENDINGS, make_volume

from Xray2MRILib.errors import InputError
from Xray2MRILib.volume.pseudo_mri import PseudoMRI
from Xray2MRILib.volume.writing import write_volume


def test_loading_refuses_what_does_not_belong_together(tmp_path: Path) -> None:
    write_volume(make_volume(0), tmp_path / "a.nrrd")
    write_volume(make_volume(1, deviation=True), tmp_path / "b.nrrd")
    (tmp_path / "b.json").rename(tmp_path / "a.json")
    for name, code in (("a", "side-car-mismatch"), ("b", "missing-side-car"), ("c", "missing-volume")):
        with pytest.raises(InputError) as caught:
            PseudoMRI.load(tmp_path / f"{name}.nrrd")
        assert caught.value.code == code


@pytest.mark.parametrize("ending", ENDINGS)
def test_loading_a_truncated_volume(tmp_path: Path, ending: str) -> None:
    path = write_volume(make_volume(), tmp_path / f"knee{ending}").volume
    for keep in (0, 10, 400, path.stat().st_size // 2, path.stat().st_size - 20):
        copy = tmp_path / f"cut{ending}"
        copy.write_bytes(path.read_bytes()[:keep])
        (tmp_path / "cut.json").write_text((tmp_path / "knee.json").read_text(encoding="utf-8"), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            PseudoMRI.load(copy)
        assert caught.value.code in ("unreadable-volume", "side-car-mismatch")


def test_loading_with_a_damaged_side_car(tmp_path: Path) -> None:
    files = write_volume(make_volume(), tmp_path / "knee.nrrd")
    good = files.record.read_text(encoding="utf-8")
    record = json.loads(good)
    for text, code in (
        (good[:200], "missing-side-car"),
        ("[" * 100_000, "missing-side-car"),
        (json.dumps({**record, "volume": 3}), "missing-side-car"),
        (json.dumps({**record, "volume": {}}), "bad-side-car"),
        (json.dumps({**record, "volume": {**record["volume"], "intensity_slope": 5.0}}), "side-car-mismatch"),
        (json.dumps({**record, "volume": {**record["volume"], "has_deviation": True}}), "missing-volume"),
    ):
        files.record.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            PseudoMRI.load(files.volume)
        assert caught.value.code == code


def test_loading_a_volume_that_was_moved_in_space(tmp_path: Path) -> None:
    import SimpleITK as sitk

    files = write_volume(make_volume(), tmp_path / "knee.nrrd")
    image = sitk.ReadImage(str(files.volume))
    image.SetOrigin((0, 0, 0))
    sitk.WriteImage(image, str(files.volume))
    with pytest.raises(InputError, match=r"does not match its side-car knee\.json"):
        PseudoMRI.load(files.volume)
