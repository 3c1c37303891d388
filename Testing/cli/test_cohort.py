"""The command's options, exit codes and words."""

from __future__ import annotations

import argparse
import json

import pytest

from Xray2MRILib.cli import cohort, generate, main


def options_of(module) -> dict[str, argparse.Action]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    module.add_arguments(parser)
    return {action.dest: action for action in parser._actions if action.option_strings}


def test_it_takes_every_setting_of_generate():
    ours, theirs = options_of(cohort), options_of(generate)
    assert set(theirs) - set(ours) == {"montage"}
    for name in set(theirs) - {"montage", "output", "help"}:
        assert (ours[name].option_strings, ours[name].default) == (theirs[name].option_strings, theirs[name].default)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "number of workers cannot be 0"),
        (["--retries", "-1"], "number of retries cannot be -1"),
        (["--stride", "3/3"], "stride cannot be 3/3"),
        (["--stride", "x"], "stride cannot be 'x': give I/N"),
        (["--slices", "1"], "number of slices cannot be 1"),
        (["--gpus-per-worker", "-2"], "share of a GPU cannot be -2"),
        (["--columns", "film"], "no column 'film'"),
        (["--evaluate", "mri"], "no column 'mri'"),
        (["--executor", "cloud"], "invalid choice"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, capsys, options, said):
    (tmp_path / "t.csv").write_text("radiograph\na.png\n", encoding="utf-8")
    code = main(["cohort", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"), *options])
    printed = capsys.readouterr()
    assert code == 2
    assert said in printed.err
    assert printed.err.count("xray2mri: ") == 1
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing_and_names_no_file(tmp_path, capsys, knee_radiograph):
    (tmp_path / "t.csv").write_text(f"radiograph,id\n{knee_radiograph},7\nJane_Roe.png,8\n", encoding="utf-8")
    assert main(["cohort", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"), "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "1 waiting, 1 refused" in printed.out
    assert "Row 2, refused: The radiograph of row 2 does not exist." in printed.err
    assert "Jane" not in printed.out + printed.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_json_and_exit_code_2_when_nothing_can_be_read(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("radiograph,id\na.png,7\n", encoding="utf-8")
    assert main(["cohort", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"), "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["counts"] == {"refused": 1}
    assert result["rows"][0]["code"] == "missing-file"
    assert result["exit_code"] == 2
    assert (tmp_path / "out" / "table.csv").exists()


def test_ray_without_ray_is_one_sentence(tmp_path, capsys, knee_radiograph, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "t.csv").write_text(f"radiograph\n{knee_radiograph}\n", encoding="utf-8")
    assert main(["cohort", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"), "--executor", "ray"]) == 2
    assert "Ray is not installed. Install the extra cluster" in capsys.readouterr().err
