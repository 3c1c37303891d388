"""The commands of docs/training-on-oai.md, from the archive to a volume of the trained model, in the page's order.

The archive is drawn, and what makes a command long is made small: size of the networks, steps, processes, slices. Where
open_clip or accelerate are missing, the commands that need them are left out.
"""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path

import pytest
from cohort_archive import write_radiograph
from documentation import ROOT, commands

from Xray2MRILib import cli

SHOWN = [shlex.split(line) for line in commands((ROOT / "docs/training-on-oai.md").read_text(encoding="utf-8"))]
# what replaces the size of a network and the length of a run; an option that a command has comes before these
SMALL = {"preset": "tiny", "steps": 2, "knees_per_batch": 2, "depths_per_knee": 2, "exposures": 1, "variants": 1,
         "device": "cpu", "threads": 1, "precision": "float32", "log_every": 1, "save_every": 2, "compile": False,
         "workers": 0, "minutes": None}  # fmt: skip
SCAN_FRAME = {
    "unet": {"in_channels": 8},
    "radiograph_encoder": {"field_placement": False, "feature_channels": 0, "token_encoder": "convolutional"},
}
ZERO_SNR = {"scheduler": {"prediction_type": "v_prediction", "zero_terminal_snr": True}}


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def small(words: list[str], imported: bool) -> list[str] | None:
    """The command in small; None for one that cannot run here."""
    words = ["0" if before == "--workers" else word for before, word in zip(["", *words], words, strict=False)]
    if words[0] == "train":
        changed = SMALL | (
            {"patch": 64, "batch_size": 2, "held_out_knees": 1, "initial": None, "changes": {}}
            if words[1] == "autoencoder"
            else {}
        )
        if words[1] == "autoencoder":
            changed = {name: value for name, value in changed.items() if name in recipe_entries("autoencoder")}
        elif "paper" in words:
            changed |= {"changes": SCAN_FRAME, "accumulation": 1, "autoencoder": "runs/zero123/autoencoder"}
            if not imported:
                changed |= {"initial": None, "autoencoder": "runs/autoencoder/autoencoder"}
        else:
            changed |= {"initial": None, "autoencoder": "runs/autoencoder/autoencoder", "changes": ZERO_SNR}
        if "--processes" in words:
            if not has("accelerate"):
                return None
            words[words.index("--processes") + 1] = "2"
            changed["steps"] = 4
        return [*words, *(f"--set={name}={json.dumps(value)}" for name, value in changed.items())]
    if words[:2] == ["import", "zero123"]:
        return words if imported else None
    if words[0] == "generate":
        words += ["--slices", "10", "--steps", "1", "--device", "cpu"]
    return words


def recipe_entries(network: str) -> set[str]:
    from Xray2MRILib.training.recipe_files import chosen_recipe

    return set(chosen_recipe(network))


@pytest.mark.slow
def test_from_the_archive_to_a_volume(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("OAI").symlink_to(archive)
    Path("kxr_sq_bu00.txt").write_text("ID|SIDE|V00XRKL\n9000099|1: Right|2\n9000123|2: Left|3\n", encoding="utf-8")
    Path("allclinical00.txt").write_text("ID|V00AGE|P01BMI\n9000099|61|31.2\n9000123|55|.: Missing\n", encoding="utf-8")
    Path("enrollees.txt").write_text("ID|P02SEX\n9000099|2: Female\n9000123|1: Male\n", encoding="utf-8")
    write_radiograph(Path("knee.dcm"), "knee_single.webp", SeriesDescription="Knee")
    imported = has("open_clip") and written_checkpoint(Path("105000.ckpt"))
    ours = [words[1:] for words in SHOWN if words[0] == "xray2mri"]
    # the autoencoder of the compact model serves the paper's where Zero-123's cannot be imported
    order = ours if imported else sorted(ours, key=lambda words: words[:2] != ["train", "autoencoder"]
                                         and words[0] != "prepare")  # fmt: skip
    done, together = [], []
    for words in order:
        tiny = small(list(words), imported)
        if tiny is None:
            continue
        assert cli.main(tiny) == 0, " ".join(words)
        done.append(words[0])
        together += [word for word in tiny if word == "--processes"]
    assert {"prepare", "train", "info", "generate", "evaluate"} <= set(done)
    assert done.count("prepare") == 2
    if has("accelerate"):
        assert together == ["--processes"]
        metrics = json.loads(Path("runs/paper/diffusion_metrics.json").read_text(encoding="utf-8"))
        assert metrics["step"] == 4  # two processes went on where one had stopped after two steps
    card = json.loads(Path("runs/paper/model/model_card.json").read_text(encoding="utf-8"))
    assert "OAI, baseline" in card["training_data"]
    people = [
        json.loads(line) for line in Path("runs/oai-private/knees.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {one["participant"] for one in people} == {"9000099", "9000123"}
    assert Path("knee.nrrd").is_file()
    assert Path("knee.html").is_file()


def written_checkpoint(file: Path) -> bool:
    """Zero-123's checkpoint in small."""
    import torch
    from published_checkpoints import write_lightning_checkpoint
    from stock_networks import CONTEXT, randomised, state_of, stock_autoencoder, stock_unet

    from Xray2MRILib.models.clip_tower import build_clip_tower

    stock = {
        "unet": randomised(stock_unet(), 1),
        "autoencoder": randomised(stock_autoencoder(), 2),
        "tower": randomised(build_clip_tower(64, 2, CONTEXT), 3),
        "projection": torch.randn(CONTEXT, CONTEXT + 4),
        "bias": torch.randn(CONTEXT),
    }
    write_lightning_checkpoint(file, state_of(stock))
    return True
