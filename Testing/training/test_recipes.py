"""Recipes: the default of each network, the shipped sets by name, files, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from Xray2MRILib.cli import main
from Xray2MRILib.cli.train import NETWORKS, chosen_recipe
from Xray2MRILib.errors import InputError

RECIPES = Path(__file__).resolve().parents[2] / "Resources" / "recipes"


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_has_a_default(network: str) -> None:
    assert chosen_recipe(network)["seed"] == 0


@pytest.mark.parametrize("name", ["compact-cpu", "compact-gpu"])
@pytest.mark.parametrize("network", ["autoencoder", "diffusion"])
def test_a_shipped_set_by_name_and_by_path(name: str, network: str) -> None:
    file = RECIPES / name / f"{network}.json"
    recipe = chosen_recipe(network, name)
    assert recipe == chosen_recipe(network, str(file)) == chosen_recipe(network) | json.loads(file.read_text())
    assert recipe.keys() == chosen_recipe(network).keys()
    assert recipe["preset"] == "compact"
    assert 0 < recipe["minutes"] < (10 if name == "compact-gpu" else 120)
    assert recipe["device"] == {"compact-cpu": "cpu", "compact-gpu": "cuda"}[name]


@pytest.mark.parametrize("network", ["diffusion", "cae"])
def test_the_reduced_comparison_has_its_recipes(network: str) -> None:
    recipe = chosen_recipe(network, "compact-half")
    assert recipe.keys() == chosen_recipe(network).keys()
    assert (recipe["preset"], recipe["variants"]) == ("compact", 1)


def test_compact_cpu_ends_within_two_hours() -> None:
    """The two run side by side, a core each: the decoder is learnt for itself, and the latents stay what they are."""
    recipes = [chosen_recipe(network, "compact-cpu") for network in ("autoencoder", "diffusion")]
    assert max(recipe["minutes"] for recipe in recipes) <= 120
    assert sum(recipe["threads"] for recipe in recipes) == 2
    assert recipes[0]["trained"] == "decoder"
    assert recipes[1]["autoencoder"] == recipes[1]["initial"] == "compact"


def test_a_file_changes_the_default(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"steps": 5, "changes": {"unet": {}}}')
    recipe = chosen_recipe("diffusion", str(tmp_path / "mine.json"))
    assert (recipe["steps"], recipe["changes"]) == (5, {"unet": {}})
    assert recipe["learning_rate"] == chosen_recipe("diffusion")["learning_rate"]


@pytest.mark.parametrize(
    ("network", "config", "sentence"),
    [
        ("diffusion", "paper-gpu", "There is no recipe named 'paper-gpu' for diffusion.*compact-cpu, compact-gpu"),
        ("classifier", "compact-gpu", "There is no recipe named 'compact-gpu' for classifier"),
        ("diffusion", "missing.json", "The recipe missing.json does not exist"),
        ("diffusion", "compact-gpu/missing", "The recipe missing does not exist"),
        ("diffusion", "broken.json", "The recipe broken.json cannot be read as JSON"),
        ("diffusion", "list.json", "The recipe list.json is not a JSON object"),
        ("diffusion", "typo.json", "an entry 'stepz', which diffusion does not know"),
    ],
)
def test_refusals(
    network: str, config: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, text in {"broken": "{", "list": "[]", "typo": '{"stepz": 1}'}.items():
        (tmp_path / f"{name}.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        chosen_recipe(network, config)
    assert re.search(sentence, f"{refused.value} {refused.value.hint}")
    assert main(["train", network, "--config", config, "-o", "run"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_machine_without_the_device_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    assert main(["train", "autoencoder", "--config", "compact-gpu", "-o", str(tmp_path / "run")]) == 2
    assert "has no device 'cuda'" in capsys.readouterr().err


def test_diffusion_needs_an_autoencoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        words = ["--set", f"autoencoder={tmp_path / folder}", "--set", "preset=tiny", "--set", "device=cpu"]
        assert main(["train", "diffusion", "-o", str(tmp_path / "run"), *words]) == 2
        assert f"The folder {folder} holds no autoencoder." in capsys.readouterr().err
