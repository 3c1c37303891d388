"""What a volume's files are when the disk or the folder says no: as they were before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from random_volume import ENDINGS, contents, make_volume, names

from Xray2MRILib.volume.writing import write_volume

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
