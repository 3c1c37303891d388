"""All files of a set appear, or none changes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.files.atomic_write import AtomicFiles, check_place


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_nothing_shows_before_the_end_and_all_after_it(tmp_path: Path) -> None:
    with AtomicFiles() as transaction:
        for name in ("a.txt", "b.txt"):
            transaction.stage(tmp_path / name).write_text(name, encoding="utf-8")
        assert not any(name in names(tmp_path) for name in ("a.txt", "b.txt"))
    assert names(tmp_path) == ["a.txt", "b.txt"]
    assert (tmp_path / "b.txt").read_text(encoding="utf-8") == "b.txt"


def test_files_are_on_the_disk_before_they_get_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not leave a name without its content. The folder holds the names, so it is flushed last."""
    flushed: list[tuple[int, list[str]]] = []
    flush = os.fsync

    def watched(descriptor: int) -> None:
        visible = [name for name in ("a.txt", "b.txt") if (tmp_path / name).exists()]
        flushed.append((os.fstat(descriptor).st_ino, visible))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with AtomicFiles() as transaction:
        for name in ("a.txt", "b.txt"):
            transaction.stage(tmp_path / name).write_text(name, encoding="utf-8")
    files = [((tmp_path / name).stat().st_ino, []) for name in ("a.txt", "b.txt")]
    # Windows opens no folder
    folder = [] if os.name == "nt" else [(tmp_path.stat().st_ino, ["a.txt", "b.txt"])]
    assert flushed == files + folder


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_interruption_leaves_what_was_there(tmp_path: Path, stop: type[BaseException]) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")

    def write_and_stop() -> None:
        with AtomicFiles() as transaction:
            transaction.stage(tmp_path / "a.txt").write_text("new", encoding="utf-8")
            raise stop

    with pytest.raises(stop):
        write_and_stop()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("failing", [2, 3])
def test_a_renaming_that_fails_takes_the_earlier_ones_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """The file b.txt is new. Where it appeared before the failure, it goes again."""
    for name in ("a.txt", "c.txt", "outdated.txt"):
        (tmp_path / name).write_text(f"old {name}", encoding="utf-8")
    renamings, replace = 0, os.replace

    def rename(source: Path, target: Path) -> None:
        nonlocal renamings
        renamings += 1
        if renamings == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(source), None, str(target))
        replace(source, target)

    def write() -> None:
        with AtomicFiles() as transaction:
            for name in ("a.txt", "b.txt", "c.txt"):
                transaction.stage(tmp_path / name).write_text("new", encoding="utf-8")
            transaction.remove(tmp_path / "outdated.txt")

    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(ProcessingError, match="abc"[failing - 1] + r"\.txt") as caught:
        write()
    assert caught.value.code == "write-failed"
    assert names(tmp_path) == ["a.txt", "c.txt", "outdated.txt"]
    for name in names(tmp_path):
        assert (tmp_path / name).read_text(encoding="utf-8") == f"old {name}"


def test_an_old_file_that_cannot_be_put_back_stays_beside_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming b.txt fails, and so does putting a.txt back. The other files are restored all the same."""
    for name in ("a.txt", "b.txt", "c.txt", "outdated.txt"):
        (tmp_path / name).write_text(f"old {name}", encoding="utf-8")
    renamings, replace = 0, os.replace

    def rename(source: Path, target: Path) -> None:
        nonlocal renamings
        renamings += 1
        if renamings in (2, 3):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(source), None, str(target))
        replace(source, target)

    def write() -> None:
        with AtomicFiles() as transaction:
            for name in ("a.txt", "b.txt", "c.txt"):
                transaction.stage(tmp_path / name).write_text("new", encoding="utf-8")
            transaction.remove(tmp_path / "outdated.txt")

    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(ProcessingError, match=r"b\.txt could not be written.* old a\.txt is now") as caught:
        write()
    assert caught.value.code == "old-file-not-restored"
    (backup,) = set(names(tmp_path)) - {"a.txt", "b.txt", "c.txt", "outdated.txt"}
    assert str(tmp_path / backup) in caught.value.sentence()
    assert (tmp_path / backup).read_text(encoding="utf-8") == "old a.txt"
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    for name in ("b.txt", "c.txt", "outdated.txt"):
        assert (tmp_path / name).read_text(encoding="utf-8") == f"old {name}"


def test_a_folder_that_takes_a_name_meanwhile_is_noticed_before_any_renaming(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")
    (tmp_path / "outdated.txt").write_text("old too", encoding="utf-8")

    def write_into_a_folder_that_changes() -> None:
        with AtomicFiles() as transaction:
            for name in ("a.txt", "b.txt", "c.txt"):
                transaction.stage(tmp_path / name).write_text("new", encoding="utf-8")
            transaction.remove(tmp_path / "outdated.txt")
            # somebody makes a folder of that name meanwhile
            (tmp_path / "c.txt").mkdir()

    with pytest.raises(InputError, match=r"c\.txt") as caught:
        write_into_a_folder_that_changes()
    assert caught.value.code == "bad-output"
    assert names(tmp_path) == ["a.txt", "c.txt", "outdated.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"


def test_a_staged_file_that_was_never_written_is_a_failure(tmp_path: Path) -> None:

    def forget_one() -> None:
        with AtomicFiles() as transaction:
            transaction.stage(tmp_path / "a.txt").write_text("new", encoding="utf-8")
            transaction.stage(tmp_path / "b.txt")

    with pytest.raises(InputError):
        forget_one()
    assert names(tmp_path) == []


def test_errors_of_the_system_name_the_file_the_user_knows(tmp_path: Path) -> None:

    def write() -> None:
        with AtomicFiles() as transaction:
            transaction.stage(tmp_path / "none" / "a.txt").write_text("new", encoding="utf-8")

    with pytest.raises(InputError) as caught:
        write()
    assert "a.txt" in caught.value.message
    assert ".xray2mri" not in caught.value.sentence()


def test_outdated_files_go_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old", encoding="utf-8")
    with AtomicFiles() as transaction:
        transaction.stage(tmp_path / "new.txt").write_text("new", encoding="utf-8")
        transaction.remove(tmp_path / "old.txt")
    assert names(tmp_path) == ["new.txt"]


def test_more_than_any_disk_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProcessingError) as caught:
        check_place(tmp_path / "a.txt", 1 << 60)
    assert caught.value.code == "disk-full"
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_what_is_no_regular_file_is_no_output(tmp_path: Path) -> None:
    """Known before the work begins, and called what it is: a named pipe cannot be replaced."""
    os.mkfifo(tmp_path / "pipe.nrrd")
    with pytest.raises(InputError, match=r"The output pipe.nrrd is not a regular file"):
        check_place(tmp_path / "pipe.nrrd")
