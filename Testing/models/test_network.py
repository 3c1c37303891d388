"""Folders of the small networks: the layout of diffusers, the former layout, and everything that must be refused."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

from Xray2MRILib.baselines.siamese_gap import SiameseGap  # noqa: E402
from Xray2MRILib.conditions.koa_classifier import KneeGradeNetwork, load_classifier  # noqa: E402
from Xray2MRILib.errors import InputError, ProcessingError, Xray2MRIError  # noqa: E402
from Xray2MRILib.files.checksums import sha256_of, verify_checksums, write_checksums  # noqa: E402
from Xray2MRILib.files.json_files import write_json  # noqa: E402
from Xray2MRILib.files.resources import resource_path  # noqa: E402
from Xray2MRILib.localization.localize import load_detector  # noqa: E402
from Xray2MRILib.model_store.network_folder import load_network  # noqa: E402
from Xray2MRILib.models.network import CONFIG_FILE, WEIGHTS_FILE, Network, register_to_config  # noqa: E402
from Xray2MRILib.preparation.view_check import ViewClassifier, load_view_classifier  # noqa: E402

SHIPPED = ("koa_classifier", "film_check", "knee_localizer")


class Scale(Network):
    """The smallest network with a matrix, a bias, whole numbers and three kinds of entries."""

    title = "scale"

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (3, 2), word: str = "a", share: float = 0.5) -> None:
        super().__init__()
        self.layer = nn.Linear(*widths)
        self.register_buffer("count", torch.tensor([7]))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Scale, Path]:
    torch.manual_seed(0)
    network = Scale((4, 3), share=0.25)
    network.save_pretrained(tmp_path / "scale")
    return network, tmp_path / "scale"


def test_the_configuration_is_what_the_constructor_was_given_and_its_defaults() -> None:
    assert Scale((4, 3), share=0.25).config == {"widths": [4, 3], "word": "a", "share": 0.25}
    network = Scale()
    network.register_to_config(share=0.75)
    assert network.config == {"widths": [3, 2], "word": "a", "share": 0.75}
    assert Scale().config["share"] == 0.5
    with pytest.raises(TypeError):
        Scale(breadth=3)


def test_a_network_comes_back_in_half_precision(saved: tuple[Scale, Path]) -> None:
    network, folder = saved
    again = Scale.from_pretrained(folder)
    assert again.config == network.config
    assert not again.training
    assert again.dtype == torch.float32
    for name, tensor in network.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(again.state_dict()[name], expected)
    assert again.weights_sha256 == sha256_of(folder / WEIGHTS_FILE)
    assert {path.name for path in folder.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, "checksums.json"}
    assert {path.stat().st_mode for path in folder.iterdir()} == {(folder / CONFIG_FILE).stat().st_mode}
    with pytest.raises(ProcessingError):
        Scale.from_pretrained(folder.parent)


def test_diffusers_reads_the_folder_as_one_of_its_own(saved: tuple[Scale, Path]) -> None:
    from diffusers.configuration_utils import ConfigMixin
    from diffusers.configuration_utils import register_to_config as of_diffusers
    from diffusers.models.modeling_utils import ModelMixin

    class Twin(ModelMixin, ConfigMixin):
        @of_diffusers
        def __init__(self, widths=(1, 1), word="", share=0.0) -> None:
            super().__init__()
            self.layer = nn.Linear(*widths)
            self.register_buffer("count", torch.tensor([0]))

    network, folder = saved
    twin = Twin.from_pretrained(folder, low_cpu_mem_usage=False)
    assert {name: twin.config[name] for name in network.config} == network.config
    assert torch.equal(twin.layer.weight, Scale.from_pretrained(folder).layer.weight)
    assert twin.count.item() == 7


def test_the_reader_of_whole_models_reads_the_small_networks_as_well(saved: tuple[Scale, Path]) -> None:
    loaded = load_network(Scale, saved[1], torch.float16)
    assert loaded.dtype == torch.float16
    assert torch.equal(loaded.layer.weight, saved[0].layer.weight.half())


def altered(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE, "checksums.json"])
@pytest.mark.parametrize(
    ("damage", "code"),
    [(Path.unlink, "missing-weights"), (truncated, "tampered-weights"), (altered, "tampered-weights")],
)
def test_damage_is_refused_in_one_sentence(
    saved: tuple[Scale, Path], file: str, damage: Callable[[Path], None], code: str
) -> None:
    damage(saved[1] / file)
    with pytest.raises(ProcessingError) as caught:
        Scale.from_pretrained(saved[1])
    assert caught.value.code == code
    assert f"The file {file}" in caught.value.message
    assert "scale" in caught.value.message
    assert "\n" not in caught.value.sentence()


def test_checksums_must_list_the_files_that_are_read_and_none_outside(saved: tuple[Scale, Path]) -> None:
    folder = saved[1]
    table = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    (folder.parent / "outside").write_text("x", encoding="utf-8")
    outside = {"../outside": sha256_of(folder.parent / "outside")}
    for wrong in ({CONFIG_FILE: table[CONFIG_FILE]}, table | outside, table | {WEIGHTS_FILE: 5}):
        write_json(folder / "checksums.json", wrong)
        with pytest.raises(ProcessingError) as caught:
            Scale.from_pretrained(folder)
        assert caught.value.code == "tampered-weights"


def test_unlisted_weights_are_not_read_even_where_the_former_ones_are_listed(saved: tuple[Scale, Path]) -> None:
    folder = saved[1]
    (folder / WEIGHTS_FILE).rename(folder / "model.safetensors")
    write_checksums(folder, (CONFIG_FILE, "model.safetensors"))
    save_file({"layer.weight": torch.zeros(3, 4)}, folder / WEIGHTS_FILE)
    with pytest.raises(ProcessingError, match=WEIGHTS_FILE):
        Scale.from_pretrained(folder)


class Harmful:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.pt", "weights.PKL"])
def test_pickled_weights_are_never_unpickled(
    saved: tuple[Scale, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved[1]
    monkeypatch.chdir(folder)
    (folder / WEIGHTS_FILE).unlink()
    (folder / name).write_bytes(pickle.dumps(Harmful()))
    write_checksums(folder, (CONFIG_FILE, name))
    with pytest.raises(InputError) as caught:
        Scale.from_pretrained(folder)
    assert caught.value.code == "pickled-weights"
    assert not (folder / "unpickled").exists()


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "Other", "widths": [4, 3]},
        {"_class_name": "Scale", "widths": [3, 4]},
        {"_class_name": "Scale", "widths": ["four", 3]},
        {"_class_name": "Scale", "breadth": 3},
        {"_class_name": "Scale", "widths": [4, 0, 1, 1, 1, 1, 1, 1]},
    ],
)
def test_other_networks_are_refused(saved: tuple[Scale, Path], config: dict) -> None:
    write_json(saved[1] / CONFIG_FILE, config)
    write_checksums(saved[1], (CONFIG_FILE, WEIGHTS_FILE))
    with pytest.raises(ProcessingError, match="The folder scale does not contain a scale") as caught:
        Scale.from_pretrained(saved[1])
    assert caught.value.code == "other-model"


def test_a_shipped_folder_of_another_network_is_refused() -> None:
    for load, folder in ((load_classifier, "film_check"), (load_view_classifier, "knee_localizer")):
        with pytest.raises(Xray2MRIError) as caught:
            load(resource_path(f"models/{folder}"))
        assert caught.value.code == "other-model"


def former_folder(folder: Path, config: dict, state: dict) -> Path:
    """A folder as version 0.1 wrote it."""
    folder.mkdir()
    save_file(state, folder / "model.safetensors")
    write_json(folder / "config.json", config)
    digests = {name: sha256_of(folder / name) for name in ("config.json", "model.safetensors")}
    write_json(folder / "checksums.json", digests)
    return folder


# config.json of version 0.1, entry by entry as it shipped
FORMER = {
    "koa_classifier": {
        "network": {"size": 224, "overlap": 32, "channels": [32, 32, 64, 128, 192], "blocks": [1, 2, 2, 1],
                    "dropout": 0.3},
        "temperature": 0.8716035031462185,
    },
    "film_check": {"network": {"size": 128, "channels": [16, 32, 48, 80], "dropout": 0.2}, "frontal_threshold": 0.1},
    "knee_localizer": {"canvas_size": 256, "channels": [16, 32, 48, 72, 96], "confidence_threshold": 0.25,
                       "overlap_threshold": 0.3},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "load"),
    [("koa_classifier", load_classifier), ("film_check", load_view_classifier), ("knee_localizer", load_detector)],
)
def test_folders_of_version_0_1_are_read_as_the_same_network(name: str, load: Callable, tmp_path: Path) -> None:
    shipped = resource_path(f"models/{name}")
    old = former_folder(tmp_path / name, FORMER[name], load_file(shipped / WEIGHTS_FILE))
    (network, *thresholds), (same, *same_thresholds) = load(old), load(shipped)
    assert network.config == same.config
    assert thresholds == same_thresholds
    images = torch.rand(2, 1, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for one, other in zip(network(images), same(images), strict=True):
            assert torch.equal(one, other)
    altered(old / "model.safetensors")
    with pytest.raises(ProcessingError) as caught:
        type(network).from_pretrained(old)
    assert caught.value.code == "tampered-weights"


def test_a_flat_configuration_of_version_0_1_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SiameseGap("max", (2, 3, 4, 5))
    config = {"pooling": "max", "channels": [2, 3, 4, 5], "dropout": 0.2}
    state = {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}
    again = SiameseGap.from_pretrained(former_folder(tmp_path / "max", config, state))
    assert again.config == config
    assert torch.equal(again.classes.weight, network.classes.weight.half().float())


def test_saving_over_a_former_folder_leaves_one_set_of_weights(tmp_path: Path) -> None:
    folder = former_folder(tmp_path / "scale", {}, {"layer.weight": torch.zeros(2, 3)})
    (folder / "checkpoint.safetensors").write_bytes(b"a run's state")
    Scale().save_pretrained(folder)
    assert {p.name for p in folder.glob("*.safetensors")} == {WEIGHTS_FILE, "checkpoint.safetensors"}
    Scale.from_pretrained(folder)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_folders_have_the_layout_and_their_checksums(name: str) -> None:
    folder = resource_path(f"models/{name}")
    assert set(verify_checksums(folder, (CONFIG_FILE, WEIGHTS_FILE))) == {CONFIG_FILE, WEIGHTS_FILE}
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    assert {KneeGradeNetwork.__name__: "koa_classifier", ViewClassifier.__name__: "film_check",
            "KneeDetector": "knee_localizer"}[config["_class_name"]] == name  # fmt: skip


def test_grading_and_localizing_import_no_diffusers() -> None:
    """It would double the time that ``xray2mri grade`` takes."""
    program = (
        "import sys\n"
        "from Xray2MRILib.conditions.koa_classifier import load_classifier\n"
        "from Xray2MRILib.localization.localize import MODEL, load_detector\n"
        "from Xray2MRILib.files.resources import resource_path\n"
        "from Xray2MRILib.preparation.view_check import load_view_classifier\n"
        "load_classifier(), load_view_classifier(), load_detector(resource_path(MODEL))\n"
        "sys.exit('diffusers' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
