"""Same work, same key; other work, another key."""

from __future__ import annotations

import re

import pytest

from Xray2MRILib.cohort import content_key as keys
from Xray2MRILib.cohort.content_key import content_key, model_digest, reference_signature, settings_message
from Xray2MRILib.cohort.keyed_rows import key_rows, settings_for
from Xray2MRILib.cohort.radiograph_rows import RadiographRow
from Xray2MRILib.cohort.task import Task
from Xray2MRILib.generation.settings import SETTINGS, GenerationSettings

BASE = GenerationSettings(slices=10, steps=2)
SPECIAL = {"roi": (1, 2, 30, 40), "kl": (0.2,) * 5, "kl_grade": 2, "keep_identifiers": True}
OTHER = SPECIAL | {
    name: next(word for word in setting.words if word != setting.default) if setting.words else setting.high
    for name, setting in SETTINGS.items()
    if name not in SPECIAL and name not in ("device", "model")
}


def test_a_key_is_16_digits_and_says_nothing():
    key = content_key("ab" * 32, BASE, "cd" * 32)
    assert re.fullmatch("[0-9a-f]{16}", key)
    assert key == content_key("ab" * 32, GenerationSettings(slices=10, steps=2), "cd" * 32)


def test_every_setting_that_can_change_the_volume_changes_the_key():
    import dataclasses

    found = {content_key("a", BASE, "m")}
    for name, value in OTHER.items():
        changed = dataclasses.replace(BASE, **{name: value})
        assert getattr(changed, name) != getattr(BASE, name)
        found.add(content_key("a", changed, "m"))
    assert len(found) == 1 + len(OTHER)
    assert {content_key("b", BASE, "m"), content_key("a", BASE, "n")}.isdisjoint(found)
    assert content_key("a", GenerationSettings(slices=10, steps=2, device="cpu"), "m") in found


def test_another_version_of_the_program_is_other_work(monkeypatch):
    before = content_key("a", BASE, "m")
    monkeypatch.setattr(keys, "__version__", "99")
    assert content_key("a", BASE, "m") != before


def test_settings_survive_the_way_to_a_worker():
    settings = GenerationSettings(**OTHER | {"kl": None, "roi": None, "seed": 7})
    task = Task("k", "volume", "/o", "/r", settings_message(settings), "m", "1")
    assert GenerationSettings.from_message(Task.from_message(task.as_message()).settings) == settings


def test_a_row_decides_over_the_cohort():
    common = GenerationSettings(kl_grade=1, knee=2, side="left")
    row = RadiographRow(1, keys.Path("x"), own={"kl": (0.2,) * 5, "roi": (1.0, 2.0, 30.0, 40.0), "side": "right"})
    own = settings_for(row, common)
    assert (own.kl_grade, own.kl, own.knee, own.roi, own.side) == (
        None, (0.2,) * 5, None, (1.0, 2.0, 30.0, 40.0), "right"
    )  # fmt: skip
    assert settings_for(RadiographRow(1, keys.Path("x")), common) == common


def test_renamed_files_are_recognised_and_repeated_ones_refused(tmp_path):
    for name in ("a.png", "copy of a.png", "b.png"):
        (tmp_path / name).write_bytes(b"one" if "a" in name else b"two")
    rows = [RadiographRow(n, tmp_path / name) for n, name in enumerate(["a.png", "copy of a.png", "b.png", "no"], 1)]
    first, second, third, missing = key_rows(rows, BASE, "m")
    assert first.key == second.key != third.key
    assert (first.refusal, third.refusal) == (None, None)
    assert (second.refusal.code, missing.refusal.code) == ("duplicate", "missing-file")
    assert "as row 1" in second.refusal.sentence
    assert missing.key == ""


def test_the_digest_of_a_model_follows_its_weights(tiny_model, tmp_path):
    import shutil

    folder = tmp_path / "other name"
    shutil.copytree(tiny_model, folder)
    digest = model_digest(str(tiny_model))
    assert model_digest(str(folder)) == digest
    (folder / "checksums.json").write_text(
        (folder / "checksums.json").read_text(encoding="utf-8").replace("a", "b", 1), encoding="utf-8"
    )
    assert model_digest(str(folder)) != digest
    assert model_digest("compact") != digest


def test_a_real_mri_is_known_by_its_content(tmp_path):
    (tmp_path / "m.nii").write_bytes(b"1")
    first = reference_signature(tmp_path / "m.nii")
    (tmp_path / "m.nii").write_bytes(b"2")
    assert reference_signature(tmp_path / "m.nii") != first
    series = reference_signature(tmp_path)
    (tmp_path / "m2.nii").write_bytes(b"2")
    assert reference_signature(tmp_path) != series
    with pytest.raises(OSError, match="No such file"):
        reference_signature(tmp_path / "none")
