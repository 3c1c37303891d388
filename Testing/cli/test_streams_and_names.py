"""The command at its edges: closed or full streams, links, odd names, Ctrl-C while it starts, dumb terminals."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from volumes import asymmetric_volume
from worker_process import WorkerProcess

from Xray2MRILib.cli import main
from Xray2MRILib.device import wait_passively
from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.model_store.model_location import check_model
from Xray2MRILib.volume.pseudo_mri import PseudoMRI
from Xray2MRILib.volume.writing import check_destination
from Xray2MRILib.worker.protocol import REQUESTS, fault

ROOT = Path(__file__).resolve().parents[2]
COMMAND = f"{sys.executable} -m Xray2MRILib"


def _shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    merged = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["bash", "-c", line], env=merged, capture_output=True, text=True, errors="replace")


@pytest.fixture
def saved(tmp_path) -> Path:
    return asymmetric_volume(3).save(tmp_path / "knee.nrrd").volume


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_as_good_as_dev_null(saved, tmp_path, closed):
    done = _shell(f"{COMMAND} convert {saved} {tmp_path / 'out.mha'} {closed}")
    assert done.returncode == 0, done.stderr
    assert "unforeseen" not in done.stderr
    # nothing meant for a stream has gone into a file
    assert PseudoMRI.load(tmp_path / "out.mha").num_slices == 3
    assert _shell(f"{COMMAND} convert {saved} {saved} {closed}").returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", ["--help", "--version", "convert --help", "convert {saved} {out}"])
def test_a_full_disk_behind_stdout_is_named(saved, tmp_path, arguments):
    words = arguments.format(saved=saved, out=tmp_path / "t.csv")
    done = _shell(f"{COMMAND} {words} > /dev/full", PYTHONUNBUFFERED="")
    assert done.returncode == 1
    assert done.stderr.count("xray2mri: ") == 1
    assert "standard output: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert _shell(f"{COMMAND} convert {saved} {tmp_path / 'u.csv'} 2> /dev/full").returncode == 0


@pytest.mark.parametrize("stored", ["store/real.nrrd", "store/real.mha", "store/none/yet.nrrd"])
def test_volume_and_side_car_lie_together_behind_a_link(tmp_path, stored):
    target = tmp_path / stored
    if "none" not in stored:
        target.parent.mkdir()
    link = tmp_path / "knee.nrrd"
    link.symlink_to(target)
    if "none" in stored:
        with pytest.raises(InputError, match="output folder"):
            check_destination(link)
        return
    files = asymmetric_volume(3, deviation=True).save(link)
    assert link.is_symlink()
    assert sorted(path.name for path in target.parent.iterdir()) == sorted(
        [target.name, "real.json", f"real_deviation{target.suffix}"]
    )
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and not path.is_symlink()] == []
    assert files.record.parent == files.volume.parent
    assert PseudoMRI.load(link).deviation is not None
    check_destination(link)


def test_a_volume_whose_files_are_links_is_read(tmp_path):
    """A store that keeps its files under other names, as data managers do."""
    (tmp_path / "store").mkdir()
    files = asymmetric_volume(3).save(tmp_path / "knee.nrrd")
    for number, path in enumerate((files.volume, files.record)):
        kept = path.rename(tmp_path / "store" / f"blob{number}{path.suffix}")
        path.symlink_to(kept)
    assert PseudoMRI.load(tmp_path / "knee.nrrd").num_slices == 3


@pytest.mark.parametrize(("name", "words"), [("film.dcm", "is not a volume that Xray2MRI wrote"),
                                              ("folder", "is a folder")])  # fmt: skip
def test_convert_says_what_it_takes(tmp_path, capsys, name, words):
    given = tmp_path / name
    given.write_bytes(b"x") if "." in name else given.mkdir()
    assert main(["convert", str(given), str(tmp_path / "out.nrrd")]) == 2
    printed = capsys.readouterr().err
    assert f"The input {name} {words}" in printed
    assert "Give a volume (.nrrd, .nii.gz, .mha)" in printed
    assert not (tmp_path / "out.nrrd").exists()


def test_unknown_models_are_refused_before_the_radiograph_is_read(tmp_path, knee_radiograph, capsys):
    """The radiograph does not even exist; nothing of torch is loaded to find out."""
    output = str(tmp_path / "v.nrrd")
    assert main(["generate", str(tmp_path / "none.png"), "-o", output, "--model", "nowhere"]) == 2
    printed = capsys.readouterr().err
    assert "There is no model 'nowhere'" in printed
    assert "--model" in printed
    assert "localise" not in printed
    code = "import sys; from Xray2MRILib.model_store.model_location import check_model; check_model('compact'); " \
           "print([name for name in ('torch', 'diffusers', 'huggingface_hub') if name in sys.modules])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_mode_is_named(tmp_path, switch):
    code = "from Xray2MRILib.model_store.model_location import check_model; check_model('no-owner-0/no-model')"
    environment = {**os.environ, switch: "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert f"offline mode is on ({switch})" in done.stderr


def test_an_unreachable_hub_is_one_sentence(monkeypatch):
    import huggingface_hub

    def unreachable(*names, local_files_only=False, **options):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(ProcessingError, match="could not be fetched from the Hugging Face hub") as caught:
        check_model("owner/model")
    assert caught.value.field == "model"


def test_a_model_folder_without_checksums_is_told(tiny_model, tmp_path, knee_radiograph, capsys):
    import shutil

    folder = Path(shutil.copytree(tiny_model, tmp_path / "copied"))
    command = ["generate", str(knee_radiograph), "-o", str(tmp_path / "v.nrrd"), "--model", str(folder), "--slices",
               "2", "--steps", "1", "--kl-grade", "2"]  # fmt: skip
    assert main(command) == 0
    assert "checksums" not in capsys.readouterr().err
    (folder / "checksums.json").unlink()
    assert main(command) == 0
    assert "Warning: The model folder copied has no checksums.json" in capsys.readouterr().err


def test_a_dumb_terminal_gets_plain_lines(saved, tiny_model, tmp_path, knee_radiograph):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "Xray2MRILib", "generate", str(knee_radiograph), "-o", str(tmp_path / "v.nrrd"),
               "--model", str(tiny_model), "--slices", "2", "--steps", "1", "--kl-grade", "2"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:
        pass  # the other end is closed
    assert process.wait() == 0
    assert b"\x1b" not in shown
    lines = shown.decode().replace("\r\n", "\n")
    assert "\r" not in lines
    assert lines.count("localise") == 1


@pytest.mark.parametrize(
    "module",
    ["cli", "argparse", "device", "errors", "cli.terminal", "cli.remedy", "cli.evaluate", "comparison.compare"],
)
def test_an_interrupt_while_it_starts_is_one_line(module, tmp_path):
    """Ctrl-C at the moment when a module is looked for. What comes before the first one belongs to Python itself."""
    code = f"""
import os, signal, sys
class Interrupt:
    def find_spec(name, path=None, target=None):
        if name == {module if module == "argparse" else f"Xray2MRILib.{module}"!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["xray2mri", "evaluate", "a.nrrd", "b.nrrd"]
from Xray2MRILib.__main__ import program
sys.meta_path.insert(0, Interrupt)
sys.exit(program())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
    said = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert (done.returncode, said, done.stdout) == (130, ["xray2mri: Cancelled."], "")


def test_a_program_in_the_background_does_not_heed_it(tmp_path):
    """A shell has its background jobs ignore Ctrl-C; the command must not take that back."""
    done = _shell(f"trap '' INT; {COMMAND} --version & P=$!; sleep 0.1; kill -INT $P; wait $P; echo code $?")
    assert "code 0" in done.stdout


def test_names_that_no_file_can_have(tmp_path, saved, capsys):
    for kind, field in (("generate", "radiograph"), ("export", "volume"), ("compare", "reference")):
        message = {"type": kind, "job": "1", "radiograph": "a", "output": "b", "volume": "v", "reference": "r",
                   "output_folder": "o", field: "lone \ud800 half"}  # fmt: skip
        assert f"The field {field} of the message {kind} is not a text that a file name can hold." == fault(
            message, REQUESTS
        )
    worker = WorkerProcess()
    try:
        worker.send("export", job="1", volume=str(saved), output=f"{tmp_path}/\ud800.csv", format="table")
        assert worker.wait_for("error")["code"] == "bad-request"
    finally:
        worker.end()
    # bytes that are no UTF-8 can be opened, but SimpleITK takes text
    odd = os.fsencode(tmp_path) + b"/a\xff.nrrd"
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(tmp_path / "plain.nrrd"))
    os.rename(tmp_path / "plain.nrrd", odd)
    code = main(["evaluate", str(saved), os.fsdecode(odd)])
    printed = capsys.readouterr().err
    assert code in (1, 2)
    assert "unforeseen" not in printed
    assert printed.count("xray2mri: ") == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [({"roi": 3}, "roi of the message generate is not a list of numbers."),
     ({"slices": "a"}, "slices of the message generate is not an integer of at most 64 bits."),
     ({"guidance_scale": "a"}, "guidance_scale of the message generate is not a number."),
     ({"keep_identifiers": 1}, "keep_identifiers of the message generate is not true or false.")],
)  # fmt: skip
def test_the_workers_grammar(value, words):
    message = {"type": "generate", "job": "1", "radiograph": "a", "output": "b", **value}
    assert fault(message, REQUESTS) == f"The field {words}"


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}, {"KMP_BLOCKTIME": "1"}])
def test_threads_wait_passively_unless_the_user_chose(monkeypatch, given):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    wait_passively()
    assert os.environ.get("OMP_WAIT_POLICY") == (given.get("OMP_WAIT_POLICY") if given else "PASSIVE")


def test_command_and_worker_set_it_before_torch(saved):
    """OMP_DISPLAY_ENV makes GNU's OpenMP say, when it is loaded, what it has read."""
    environment = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY",)}
    done = subprocess.run([sys.executable, "-m", "Xray2MRILib", "info", "--no-timing", "--json"], cwd=ROOT,
                          env={**environment, "OMP_DISPLAY_ENV": "verbose", "XRAY2MRI_DEBUG": "1"},
                          capture_output=True, text=True)  # fmt: skip
    if "OPENMP DISPLAY ENVIRONMENT BEGIN" not in done.stderr:
        pytest.skip("this torch uses another OpenMP")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
    assert json.loads(done.stdout)["model"] == "compact"
