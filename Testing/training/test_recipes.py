"""Recipes: the default of each network, the shipped sets by name, files, typed entries, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from Xray2MRILib.cli import main
from Xray2MRILib.cli.train import NETWORKS, chosen_recipe
from Xray2MRILib.errors import InputError
from Xray2MRILib.training.recipe import Recipe, entries_of, entry
from Xray2MRILib.training.recipe_files import apply_change
from Xray2MRILib.training.recipe_help import describe_entries
from Xray2MRILib.training.recipes import recipe_class

RECIPES = Path(__file__).resolve().parents[2] / "Resources" / "recipes"


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_has_a_default(network: str) -> None:
    """The default recipe states every entry, and what is read of it is what it says."""
    default = chosen_recipe(network)
    assert default["seed"] == 0
    recipe = recipe_class(network).from_json(default)
    assert recipe.to_json() == default
    assert recipe_class(network).from_json(recipe) is recipe


@pytest.mark.parametrize("network", NETWORKS)
def test_no_value_has_two_owners(network: str) -> None:
    """JSON owns the values: no entry has a default in Python, and every entry says what it is."""
    for known in entries_of(recipe_class(network)):
        assert known.required
        assert known.help
        assert not known.help.endswith(".")
        assert known.rule()


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*/*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_named_recipes_fit(file: Path) -> None:
    (network,) = (name for name in NETWORKS if name.replace("-", "_") == file.stem)
    recipe_class(network).from_json(chosen_recipe(network, file.parent.name))


@pytest.mark.parametrize("name", ["compact-cpu", "compact-gpu"])
@pytest.mark.parametrize("network", ["autoencoder", "diffusion"])
def test_a_shipped_set_by_name_and_by_path(name: str, network: str) -> None:
    file = RECIPES / name / f"{network}.json"
    recipe = chosen_recipe(network, name)
    assert (
        recipe
        == chosen_recipe(network, str(file))
        == chosen_recipe(network) | json.loads(file.read_text(encoding="utf-8"))
    )
    assert recipe.keys() == chosen_recipe(network).keys()
    assert recipe["preset"] == "compact"
    limit = recipe["clock_minutes"] if name == "compact-gpu" else recipe["minutes"]
    assert 0 < limit < (10 if name == "compact-gpu" else 120)
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
    (tmp_path / "mine.json").write_text('{"steps": 5, "changes": {"unet": {}}}', encoding="utf-8")
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
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
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


@dataclass(frozen=True)
class _Section(Recipe):
    size: int = entry("the edge", unit="pixels", low=8, multiple_of=8)
    note: str | None = entry("a note", default=None)


@dataclass(frozen=True)
class _Example(Recipe):
    steps: int = entry("the steps", unit="steps", low=1)
    share: float = entry("the share", low=0, high=1)
    rate: float | None = entry("the rate", above=0)
    keep: str = entry("the weights to keep", words=("last", "best"))
    fast: bool = entry("whether it is fast")
    sizes: tuple[int, int] = entry("the sizes", low=1)
    parts: tuple[_Section, ...] = entry("the parts", may_be_empty=True, key="pieces")
    free: Mapping[str, Any] = entry("anything")


EXAMPLE = {"steps": 3, "share": 0.5, "rate": None, "keep": "last", "fast": True, "sizes": [1, 2],
           "pieces": [{"size": 16}, {"size": 8, "note": "x"}], "free": {"a": 1}}  # fmt: skip


def test_values_get_their_types() -> None:
    recipe = _Example.from_json(EXAMPLE | {"steps": 1e3, "share": 1, "rate": 2})
    assert (recipe.steps, recipe.share, recipe.rate, recipe.sizes) == (1000, 1.0, 2.0, (1, 2))
    assert [type(value) for value in (recipe.steps, recipe.share, recipe.rate)] == [int, float, float]
    assert recipe.parts == (_Section(16), _Section(8, "x"))
    assert recipe.to_json(without=("free",)) == {
        **{key: value for key, value in EXAMPLE.items() if key != "free"}, "steps": 1000, "share": 1.0, "rate": 2.0,
        "pieces": [{"size": 16, "note": None}, {"size": 8, "note": "x"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"steps": 0}, "steps", "The entry steps of the recipe cannot be 0: give a whole number, at least 1 (steps)."),
        ({"steps": 2.5}, "steps", "steps of the recipe cannot be 2.5"),
        ({"steps": True}, "steps", "steps of the recipe cannot be True"),
        ({"steps": "many"}, "steps", "steps of the recipe cannot be 'many'"),
        ({"share": 1.01}, "share", "share of the recipe cannot be 1.01: give a number from 0 to 1."),
        ({"share": float("nan")}, "share", "share of the recipe cannot be nan"),
        ({"share": None}, "share", "share of the recipe cannot be None"),
        ({"rate": 0}, "rate", "rate of the recipe cannot be 0: give a number above 0, or null."),
        ({"keep": "first"}, "keep", "keep of the recipe cannot be 'first': give one of last, best."),
        ({"fast": 1}, "fast", "fast of the recipe cannot be 1: give true or false."),
        (
            {"sizes": [1]},
            "sizes",
            "cannot be [1]: give a list, 2 times a whole number, at least 1.",
        ),
        ({"sizes": [1, 0]}, "sizes", "sizes of the recipe cannot be [1, 0]"),
        ({"sizes": 3}, "sizes", "sizes of the recipe cannot be 3"),
        ({"pieces": [{"size": 12}]}, "pieces", "cannot be 12: give a multiple of 8, at least 8 (pixels)."),
        ({"pieces": [{}]}, "pieces", "The recipe lacks the entry pieces[0].size: give a multiple of 8"),
        ({"pieces": [{"size": 8, "sise": 8}]}, "", "an entry 'pieces[0].sise', which is unknown"),
        ({"pieces": [8]}, "pieces", "pieces[0] of the recipe cannot be 8: give an object"),
        ({"free": []}, "free", "free of the recipe cannot be []: give an object."),
        ({"keys": 1}, "", "The recipe has an entry 'keys', which is unknown."),
        ({"keep": "x" * 500}, "keep", "xxx...: give one of"),
    ],
)
def test_unusable_entries_are_refused_in_one_sentence(changes: dict, field: str, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        _Example.from_json(EXAMPLE | changes)
    assert sentence in refused.value.message
    assert (refused.value.code, refused.value.field) == ("bad-recipe", field)
    assert "\n" not in refused.value.sentence()
    assert len(refused.value.message) < 200


def test_a_missing_entry_is_named() -> None:
    with pytest.raises(InputError, match=r"The recipe lacks the entry share: give a number from 0 to 1\."):
        _Example.from_json({key: value for key, value in EXAMPLE.items() if key != "share"})
    with pytest.raises(InputError, match="The entry steps of the recipe cannot be 0"):
        dataclasses.replace(_Example.from_json(EXAMPLE), steps=0)


# entries that may be any object
OBJECTS = ("changes", "sampling", "autoencoder", "diffusion", "distillation")


@pytest.mark.parametrize("network", NETWORKS)
def test_every_entry_of_every_network_refuses_what_it_cannot_be(network: str) -> None:
    default = chosen_recipe(network)
    for known in entries_of(recipe_class(network)):
        for value in (object(), {"nothing": 1} if known.key not in OBJECTS else 3, [[]], -1e300):
            with pytest.raises(InputError) as refused:
                recipe_class(network).from_json(default | {known.key: value})
            assert known.key in refused.value.message


def test_a_section_keeps_what_a_change_leaves_out(tmp_path: Path) -> None:
    """Recipes of users may name some entries of a section, and older ones do not know the newer entries."""
    (tmp_path / "mine.json").write_text('{"variation": {"blur": 0.5}}', encoding="utf-8")
    recipe = chosen_recipe("film_check", str(tmp_path / "mine.json"))
    assert recipe["variation"] == chosen_recipe("film_check")["variation"] | {"blur": 0.5}
    apply_change("film_check", recipe, 'network={"size": 64}')
    apply_change("film_check", recipe, "variation.shift=0.2")
    assert recipe["network"] == chosen_recipe("film_check")["network"] | {"size": 64}
    assert (recipe["variation"]["shift"], recipe["variation"]["blur"]) == (0.2, 0.5)
    apply_change("film_check", recipe, "data=2024")
    assert recipe["data"] == "2024"  # a folder, not a number


def test_poolings_are_those_of_the_network() -> None:
    pytest.importorskip("torch")
    from Xray2MRILib.baselines.siamese_gap import POOLINGS

    words = {known.key: known.words for known in entries_of(recipe_class("siamese-gap"))}["poolings"]
    assert set(words) == set(POOLINGS)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_command_prints_the_entries_without_torch(network: str, tmp_path: Path) -> None:
    code = (
        "import sys; from Xray2MRILib.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'diffusers'} & set(sys.modules); sys.exit(code or bool(heavy))"
    )
    environment = os.environ | {"PYTHONPATH": str(RECIPES.parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code, "train", network, "--recipe-help"], env=environment, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for found in describe_entries(network):
        assert f"\n{found['name']} = {json.dumps(found['default'])}\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_a_value_before_it_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "diffusion", "-o", str(tmp_path / "run")]
    assert main([*words, "--set", "learning_rate=-1"]) == 2
    said = capsys.readouterr().err
    assert "The entry learning_rate of the recipe cannot be -1: give a number above 0." in said
    assert said.endswith("Option: --set learning_rate=VALUE.\n")
    assert main([*words, "--set", "steps"]) == 2
    assert "The change 'steps' gives no value." in capsys.readouterr().err
    assert main(["train", "diffusion"]) == 2
    assert "required: -o/--output" in capsys.readouterr().err
    assert main(["train", "morphing", "--recipe-help", "--json"]) == 0
    entries = {found["name"]: found for found in json.loads(capsys.readouterr().out)["entries"]}
    assert entries["candidates"]["default"] == chosen_recipe("morphing")["candidates"]
    assert not (tmp_path / "run").exists()
