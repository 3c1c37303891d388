"""Volumes on disk, read back by SimpleITK and by eye, and what happens when the disk or the folder says no."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError
from Xray2MRILib.volume.provenance import build_provenance, notice
from Xray2MRILib.volume.pseudo_mri import PseudoMRI
from Xray2MRILib.volume.writing import check_destination, write_volume

ENDINGS = (".nrrd", ".nii.gz", ".mha")


def make_volume(seed: int = 0, *, deviation: bool = False, mirrored: bool = False, slices: int = 12) -> PseudoMRI:
    rng = np.random.default_rng(seed)
    record = build_provenance(
        model={"name": "compact", "version": "1.0", "weights_sha256": "c0ffee" * 10 + "abcd"},
        sampling={"seed": 3, "steps": 20, "sampler": "ddim", "num_slices": slices},
        radiograph={
            "box": [10.0, 20.0, 300.0, 300.0],
            "side": "right",
            "side_source": "header",
            "box_source": "detector",
        },
        koa={"values": [0.1, 0.2, 0.4, 0.2, 0.1], "source": "classifier"},
        plausibility={"plausible": True, "score": 0.9, "reasons": []},
        identifiers={"input": "/clinic/Doe_Jane_1960.dcm"},
    )
    shape = (slices, 24, 32)
    spread = rng.random(shape, dtype=np.float32) / 2 if deviation else None
    return PseudoMRI(rng.random(shape, dtype=np.float32), record, mirrored, spread)


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def contents(folder: Path) -> dict[str, str]:
    return {item.name: hashlib.sha256(item.read_bytes()).hexdigest() for item in folder.iterdir()}


def nrrd_header(path: Path) -> dict[str, str]:
    """The text header of a NRRD file, read by hand."""
    lines = path.read_bytes().split(b"\n\n", 1)[0].decode("utf-8").splitlines()
    pairs = [line.split(":=", 1) if ":=" in line else line.split(": ", 1) for line in lines[1:] if line[0] != "#"]
    return {key: value for key, value in pairs}


@pytest.mark.parametrize("ending", ENDINGS)
def test_simpleitk_finds_the_geometry_and_the_grey_values(tmp_path: Path, ending: str) -> None:
    import SimpleITK as sitk

    volume = make_volume()
    files = write_volume(volume, tmp_path / f"knee{ending}")
    image = sitk.ReadImage(str(files.volume))
    assert image.GetSpacing() == pytest.approx(volume.spacing, abs=1e-5)
    assert image.GetOrigin() == pytest.approx(volume.origin, abs=1e-4)
    assert image.GetDirection() == pytest.approx(volume.direction, abs=1e-6)
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) == pytest.approx(1)
    assert image.GetPixelID() == sitk.sitkInt16
    grey = sitk.GetArrayFromImage(image) / 4095
    assert np.abs(grey - volume.array).max() <= 0.5 / 4095 + 1e-9
    assert names(tmp_path) == ["knee.json", f"knee{ending}"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_loading_gives_back_what_was_written(tmp_path: Path, ending: str, mirrored: bool) -> None:
    volume = make_volume(deviation=True, mirrored=mirrored)
    files = volume.save(tmp_path / f"knee{ending}")
    assert files.deviation.is_file()
    again = PseudoMRI.load(files.volume)
    assert np.abs(again.array - volume.array).max() <= 0.5 / 4095 + 1e-6
    assert np.abs(again.deviation - volume.deviation).max() <= 0.5 / 4095 + 1e-6
    assert np.abs(again.depth_slices() - volume.depth_slices()).max() <= 0.5 / 4095 + 1e-6
    assert again.side == volume.side
    assert again.provenance["sampling"] == volume.provenance["sampling"]
    # what was rounded once is not rounded again
    again.save(tmp_path / f"again{ending}")
    assert np.array_equal(PseudoMRI.load(tmp_path / f"again{ending}").array, again.array)


def test_nrrd_header_tells_the_story(tmp_path: Path) -> None:
    write_volume(make_volume(), tmp_path / "knee.nrrd")
    header = nrrd_header(tmp_path / "knee.nrrd")
    assert header["space"] == "left-posterior-superior"
    assert header["type"] == "short"
    assert "not for diagnosis" in header["content"]
    expected = {
        "notice": notice(),
        "model.name": "compact",
        "model.version": "1.0",
        "model.weights_sha256": "c0ffee" * 10 + "abcd",
        "sampling.seed": "3",
        "sampling.steps": "20",
        "sampling.sampler": "ddim",
        "sampling.num_slices": "12",
        "radiograph.box": "[10.0, 20.0, 300.0, 300.0]",
        "radiograph.side": "right",
        "radiograph.side_source": "header",
        "koa.values": "[0.1, 0.2, 0.4, 0.2, 0.1]",
        "koa.source": "classifier",
        "plausibility.plausible": "true",
        "volume.depth_index_of_slice_0": "11",
        "volume.pose": "nominal",
        "volume.slice_thickness_mm": "1.5",
        "volume.intensity_intercept": "0.0",
        "volume.mirrored": "false",
        "libraries.numpy": np.__version__,
    }
    for key, value in expected.items():
        assert header[f"Xray2MRI.{key}"] == value
    assert float(header["Xray2MRI.volume.intensity_slope"]) == 1 / 4095
    assert "overlap or leave gaps" in header["Xray2MRI.volume.slice_thickness_note"]
    assert header["Xray2MRI.created_utc"].endswith("Z")


def test_other_formats_carry_the_notice(tmp_path: Path) -> None:
    import SimpleITK as sitk

    for ending in (".mha", ".nii.gz"):
        write_volume(make_volume(), tmp_path / f"knee{ending}")
    assert "not for diagnosis" in sitk.ReadImage(str(tmp_path / "knee.mha")).GetMetaData("Xray2MRI.notice")
    assert "not for diagnosis" in sitk.ReadImage(str(tmp_path / "knee.nii.gz")).GetMetaData("descrip")


def test_side_car_is_complete(tmp_path: Path) -> None:
    volume = make_volume(slices=20)
    record = json.loads(write_volume(volume, tmp_path / "knee.nrrd").record.read_text())
    assert record["volume"]["depth_positions"] == pytest.approx(volume.depth_positions)
    assert record["volume"]["spacing_mm"] == pytest.approx([5.0, 160 / 24, 73.5 / 19])
    assert record["volume"]["size"] == [32, 24, 20]
    assert record["schema_version"] == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_identifier_leaves_unless_asked_for(tmp_path: Path, ending: str) -> None:
    volume = make_volume(deviation=True)
    volume.provenance["radiograph"]["path"] = "/clinic/Doe_Jane_1960.dcm"
    write_volume(volume, tmp_path / f"knee{ending}")
    for name in names(tmp_path):
        data = (tmp_path / name).read_bytes()
        assert not any(word in data for word in (b"Doe", b"Jane", b"clinic", str(tmp_path).encode()))
    write_volume(volume, tmp_path / f"knee{ending}", keep_identifiers=True)
    assert "Doe_Jane_1960" in (tmp_path / "knee.json").read_text()


@pytest.mark.parametrize("name", ["knee.png", "knee", "knee.nii", "knee.nrrd.bak", ".nrrd"])
def test_other_endings_are_refused_with_the_three(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        write_volume(make_volume(), tmp_path / name)
    assert all(ending in caught.value.sentence() for ending in ENDINGS)
    assert names(tmp_path) == []


def test_ending_in_capitals_and_spaces_in_the_name(tmp_path: Path) -> None:
    for name in ("Left Knee (1).NRRD", "größe.NII.GZ", "x.Mha"):
        volume = make_volume()
        assert np.allclose(PseudoMRI.load(volume.save(tmp_path / name).volume).array, volume.array, atol=1e-3)


def test_missing_folder_folder_as_target_and_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "knee.nrrd").mkdir()
    (tmp_path / "file").write_text("x")
    cases = (("none/knee.nrrd", "does not exist"), ("knee.nrrd", "is a folder"), ("file/k.nrrd", "is not a folder"))
    for path, word in cases:
        with pytest.raises(InputError, match=word) as caught:
            check_destination(tmp_path / path)
        assert caught.value.code == "bad-output"
        with pytest.raises(InputError, match=word):
            write_volume(make_volume(), tmp_path / path)
    assert names(tmp_path) == ["file", "knee.nrrd"]


def test_names_too_long_and_zero_bytes(tmp_path: Path) -> None:
    for name in ("x" * 300 + ".nrrd", "a\0b.nrrd"):
        with pytest.raises(InputError):
            write_volume(make_volume(), tmp_path / name)
    # the volume's name fits, that of its deviation does not
    with pytest.raises(InputError, match="too long"):
        write_volume(make_volume(deviation=True), tmp_path / ("x" * 248 + ".nrrd"))
    assert names(tmp_path) == []


def test_a_json_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "knee.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="would be overwritten"):
        write_volume(make_volume(), tmp_path / "knee.nrrd")
    assert names(tmp_path) == ["knee.json"]


def test_an_outdated_deviation_goes_with_its_volume(tmp_path: Path) -> None:
    write_volume(make_volume(deviation=True), tmp_path / "knee.nrrd")
    write_volume(make_volume(1), tmp_path / "knee.nrrd")
    assert names(tmp_path) == ["knee.json", "knee.nrrd"]
    # a file that no side-car of ours announced is left alone
    (tmp_path / "knee_deviation.nrrd").write_text("somebody's")
    write_volume(make_volume(2), tmp_path / "knee.nrrd")
    assert (tmp_path / "knee_deviation.nrrd").read_text() == "somebody's"


def test_a_link_keeps_pointing_to_the_new_volume(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "knee.nrrd").symlink_to(tmp_path / "store" / "real.nrrd")
    write_volume(make_volume(), tmp_path / "knee.nrrd")
    assert (tmp_path / "knee.nrrd").is_symlink()
    # the side-car lies where the volume lies
    assert names(tmp_path / "store") == ["real.json", "real.nrrd"]
    assert names(tmp_path) == ["knee.nrrd", "store"]


# --- loading what is not in order


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
        (tmp_path / "cut.json").write_text((tmp_path / "knee.json").read_text())
        with pytest.raises(InputError) as caught:
            PseudoMRI.load(copy)
        assert caught.value.code in ("unreadable-volume", "side-car-mismatch")


def test_loading_with_a_damaged_side_car(tmp_path: Path) -> None:
    files = write_volume(make_volume(), tmp_path / "knee.nrrd")
    good = files.record.read_text()
    record = json.loads(good)
    for text, code in (
        (good[:200], "missing-side-car"),
        ("[" * 100_000, "missing-side-car"),
        (json.dumps({**record, "volume": 3}), "missing-side-car"),
        (json.dumps({**record, "volume": {}}), "bad-side-car"),
        (json.dumps({**record, "volume": {**record["volume"], "intensity_slope": 5.0}}), "side-car-mismatch"),
        (json.dumps({**record, "volume": {**record["volume"], "has_deviation": True}}), "missing-volume"),
    ):
        files.record.write_text(text)
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


# --- real disks and folders that refuse

_IN_A_CHILD = """
import os, sys
sys.path[:0] = sys.argv[3:]
import numpy as np, SimpleITK
from Xray2MRILib.errors import Xray2MRIError
from Xray2MRILib.volume.pseudo_mri import PseudoMRI
from Xray2MRILib.volume import reading, writing
volume = PseudoMRI(np.random.default_rng(5).random((60, 64, 64), dtype=np.float32))
exec(sys.argv[1])
try:
    volume.save(sys.argv[2])
except Xray2MRIError as error:
    print(type(error).__name__, error.code, error.sentence())
    sys.exit(error.exit_code)
"""


def save_in_a_child(preparation: str, path: Path) -> subprocess.CompletedProcess[str]:
    repository = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-c", _IN_A_CHILD, preparation, str(path), repository],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX resource limits")
@pytest.mark.parametrize("ending", ENDINGS)
def test_no_room_leaves_everything_as_it_was(tmp_path: Path, ending: str) -> None:
    write_volume(make_volume(), tmp_path / f"knee{ending}")
    before = contents(tmp_path)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    done = save_in_a_child(limit, tmp_path / f"knee{ending}")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("ProcessingError disk-full There is not enough disk space for knee")
    assert contents(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX resource limits")
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_write_that_runs_out_of_room_half_way_is_noticed(tmp_path: Path, ending: str) -> None:
    """The check beforehand is switched off here: the disk fills while the writer of the format is at work."""
    write_volume(make_volume(), tmp_path / f"knee{ending}")
    before = contents(tmp_path)
    limit = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "writing.check_place = lambda *place: None"
    )
    done = save_in_a_child(limit, tmp_path / f"knee{ending}")
    assert done.returncode == 1
    assert "ProcessingError write-failed The volume could not be written completely." in done.stdout
    assert "Traceback" not in done.stderr
    assert contents(tmp_path) == before


def test_small_file_system(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(small)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip("mounting needs more rights")
    try:
        done = save_in_a_child("", small / "knee.nrrd")
        assert done.returncode == 1
        assert "disk-full" in done.stdout
        assert names(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_folders_without_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        # root may write anywhere, so that the child becomes nobody
        nobody = "os.getuid() == 0 and os.setuid(65534)"
        for name, mode in (("no_write", 0o555), ("no_entry", 0o000)):
            place = Path(folder, name)
            place.mkdir()
            os.chmod(place, mode)
            done = save_in_a_child(nobody, place / "knee.nrrd")
            os.chmod(place, 0o755)
            assert (done.returncode, done.stderr) == (2, "")
            assert done.stdout.startswith("InputError bad-output The output knee.nrrd cannot be written: no permission")
            assert names(place) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_protected_file_is_not_replaced() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        write_volume(make_volume(), Path(folder, "knee.nrrd"))
        for name in names(Path(folder)):
            os.chmod(Path(folder, name), 0o444)
        before = contents(Path(folder))
        done = save_in_a_child("os.getuid() == 0 and os.setuid(65534)", Path(folder, "knee.nrrd"))
        assert done.returncode == 2
        assert contents(Path(folder)) == before
