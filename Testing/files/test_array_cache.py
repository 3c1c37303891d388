"""Arrays in the user's cache: worked out once by whoever comes first, never half a file, never an outdated one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")

from Xray2MRILib.files import array_cache
from Xray2MRILib.files.array_cache import digest_of, kept_arrays, kept_file, kept_path
from Xray2MRILib.files.process_lock import exclusive

ROOT = Path(__file__).resolve().parents[2]
ARRAYS = {
    "bytes": np.arange(60, dtype=np.uint8).reshape(3, 4, 5),
    "halves": np.linspace(0, 1, 7, dtype=np.float16),
    "numbers": np.array([3, -1], np.int64),
    "marks": np.array([True, False]),
    "nothing": np.zeros((0, 3), np.float32),
}


def refuse_to_build() -> dict[str, np.ndarray]:
    raise AssertionError("it was there")


def test_arrays_come_back_as_they_were_and_are_worked_out_once(tmp_path: Path) -> None:
    for build in (lambda: ARRAYS, refuse_to_build):
        found = kept_arrays(tmp_path / "new", "things", "d" * 20, build)
        assert found is not None
        assert set(found) == set(ARRAYS)
        for name, wanted in ARRAYS.items():
            assert found[name].dtype == wanted.dtype
            assert np.array_equal(found[name], wanted)


def test_a_change_stays_with_whoever_made_it(tmp_path: Path) -> None:
    first = kept_arrays(tmp_path, "things", "d" * 20, lambda: ARRAYS)
    assert first is not None
    first["bytes"][:] = 9
    again = kept_arrays(tmp_path, "things", "d" * 20, refuse_to_build)
    assert again is not None
    assert np.array_equal(again["bytes"], ARRAYS["bytes"])


def test_another_digest_is_another_file_and_only_the_last_two_stay(tmp_path: Path) -> None:
    for number in range(4):
        kept_arrays(tmp_path, "things", str(number) * 20, lambda number=number: {"a": np.array([number])})
        os.utime(kept_path(tmp_path, "things", str(number) * 20), (1e9 + number, 1e9 + number))
    kept_arrays(tmp_path, "things-more", "0" * 20, lambda: ARRAYS)
    assert sorted(path.name[:8] for path in tmp_path.glob("*.safetensors")) == ["things-2", "things-3", "things-m"]
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    path = kept_path(tmp_path, "things", "d" * 20)
    kept_arrays(tmp_path, "things", "d" * 20, lambda: ARRAYS)
    path.write_bytes(path.read_bytes()[:-5])
    found = kept_arrays(tmp_path, "things", "d" * 20, lambda: ARRAYS)
    assert found is not None
    assert np.array_equal(found["bytes"], ARRAYS["bytes"])
    kept_arrays(tmp_path, "things", "d" * 20, refuse_to_build)


def test_where_nothing_can_be_kept_the_arrays_are_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    assert kept_arrays(tmp_path / "file", "things", "d" * 20, lambda: ARRAYS) is ARRAYS
    monkeypatch.setattr(array_cache, "_FREE_BYTES", 1 << 60)  # a disk that is as good as full
    assert kept_arrays(tmp_path, "things", "d" * 20, lambda: ARRAYS) is ARRAYS
    assert not list(tmp_path.glob("things*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path) -> None:
    """A file that may not grow is what a full disk is to the one who writes it."""
    code = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from Xray2MRILib.files.array_cache import kept_arrays
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
found = kept_arrays(Path({str(tmp_path)!r}), "things", "d" * 20, lambda: {{"a": np.zeros(5000)}})
print(len(found["a"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "5000", done.stderr
    assert not [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")]


def test_processes_that_begin_together_build_once(tmp_path: Path) -> None:
    code = f"""
import time
import numpy as np
from pathlib import Path
from Xray2MRILib.files.array_cache import kept_arrays
folder = Path({str(tmp_path)!r})
def build():
    with open(folder / "built", "a") as file:
        file.write("x")
    time.sleep(1)
    return {{"a": np.arange(5)}}
print(kept_arrays(folder, "things", "d" * 20, build)["a"].sum())
"""
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in running] == ["10"] * 3
    assert (tmp_path / "built").read_text(encoding="utf-8") == "x"


def test_what_another_process_builds_is_not_waited_for_unless_asked(tmp_path: Path) -> None:
    path = kept_path(tmp_path, "things", "d" * 20)
    with exclusive(tmp_path / f".{path.stem}.lock") as held:
        assert held
        assert kept_arrays(tmp_path, "things", "d" * 20, refuse_to_build, wait=False) is None
    assert kept_arrays(tmp_path, "things", "d" * 20, lambda: ARRAYS, wait=False) is not None


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from Xray2MRILib.files.process_lock import exclusive
with exclusive(Path({str(tmp_path / "lock")!r})) as held:
    print(held, flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "True"
    with exclusive(tmp_path / "lock", wait=False) as held:
        assert not held
    process.kill()
    process.wait()
    began = time.monotonic()
    with exclusive(tmp_path / "lock") as held:
        assert held
    assert time.monotonic() - began < 5


def test_the_digest_follows_names_contents_and_words(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("x", encoding="utf-8")
    second.write_text("x", encoding="utf-8")
    digests = {digest_of([first]), digest_of([second]), digest_of([first], ["numpy 2"]), digest_of([first, second])}
    first.write_text("y", encoding="utf-8")
    assert len(digests | {digest_of([first])}) == 5


def test_of_several_processes_one_makes_a_file(tmp_path: Path) -> None:
    """A label map's part that takes minutes: who comes later waits for it instead of making it again."""
    code = """
import sys, time
from pathlib import Path
from Xray2MRILib.files.array_cache import kept_file
folder = Path(sys.argv[1])

def write(path):
    with (folder / "log").open("a", encoding="utf-8") as log:
        log.write("made\\n")
    time.sleep(1.0)
    temporary = path.with_name("unfinished")
    temporary.write_text("whole", encoding="utf-8")
    temporary.replace(path)

print(kept_file(folder / "parts" / "part.npz", write).read_text(encoding="utf-8"))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["whole"] * 3
    assert (tmp_path / "log").read_text(encoding="utf-8") == "made\n"
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["part.npz"]


def test_a_file_that_cannot_be_made_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise ValueError("no space")

    path = tmp_path / "part.npz"
    with pytest.raises(ValueError, match="no space"):
        kept_file(path, fail)
    assert not path.exists()
    assert kept_file(path, lambda new: new.write_bytes(b"now") and None) == path
    assert path.read_bytes() == b"now"
