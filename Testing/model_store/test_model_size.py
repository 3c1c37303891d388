"""The size of a model from its files, against the networks themselves; and what is made of it before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from Xray2MRILib.errors import ProcessingError
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.generation import preflight
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.model_store.model_size import count_parameters, first_channels


def test_parameters_are_those_of_the_networks(tiny_model: Path) -> None:
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline

    pipeline = Xray2MRIPipeline.from_pretrained(tiny_model, device="cpu")
    networks = (pipeline.autoencoder, pipeline.unet, pipeline.radiograph_encoder)
    stored = sum(tensor.numel() for network in networks for tensor in network.state_dict().values())
    assert count_parameters(tiny_model) == stored
    assert first_channels(tiny_model) == pipeline.unet.config.block_out_channels[0]


def test_eight_bit_weights_count_by_their_number() -> None:
    """The shipped model is stored in one byte a weight and computed with four; its scales add less than 2 %."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline

    folder = resource_path("models/compact")
    pipeline = Xray2MRIPipeline.from_pretrained("compact", device="cpu")
    networks = (pipeline.autoencoder, pipeline.unet, pipeline.radiograph_encoder)
    loaded = sum(tensor.numel() for network in networks for tensor in network.state_dict().values())
    assert loaded <= count_parameters(folder) < 1.02 * loaded


def test_damaged_files_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    for name, content in (
        ("short", b"\x01"),
        ("long", b"\xff" * 8),
        ("text", b"\x02" + b"\0" * 7 + b"[]"),
        ("none", b""),
    ):
        (tmp_path / "unet" / f"{name}.safetensors").write_bytes(content)
    (tmp_path / "unet" / "config.json").write_text("[]", encoding="utf-8")
    assert count_parameters(tmp_path) == first_channels(tmp_path) == 0


def test_a_larger_model_needs_more_memory(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, shipped = (preflight.model_bytes(str(model), "fp32") for model in (tiny_model, "compact"))
    assert small < shipped
    assert preflight.model_bytes("compact", "bf16") > shipped  # copies under autocast
    free = 600_000_000 + small + 50 * 256 * 256 * 4 * 4 + 1_000_000
    monkeypatch.setattr(preflight, "free_memory_bytes", lambda device: free)
    preflight.check_memory(GenerationSettings(model=str(tiny_model)))
    with pytest.raises(ProcessingError, match="50 slices of this model need about") as refused:
        preflight.check_memory(GenerationSettings(model="compact"))
    assert refused.value.code == "out-of-memory"


def test_a_model_that_a_gpu_cannot_hold_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from Xray2MRILib import device
    from Xray2MRILib.diffusion import precision

    monkeypatch.setattr(device, "choose_device", lambda word: "cuda")
    monkeypatch.setattr(precision, "_gpu_has_bf16", lambda: True)
    monkeypatch.setattr(preflight, "free_memory_bytes", lambda name: 10_000_000)
    with pytest.raises(ProcessingError, match=r"The model needs about 0\.\d GB of the GPU's memory") as refused:
        preflight.check_device_memory("compact", "auto", "auto")
    assert refused.value.code == "out-of-memory"
    monkeypatch.setattr(preflight, "free_memory_bytes", lambda name: 10_000_000_000)
    preflight.check_device_memory("compact", "auto", "auto")


def test_weights_packed_in_six_bits_are_counted_as_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from Xray2MRILib.models.eight_bit_weights import save_eight_bits

    (tmp_path / "unet").mkdir()
    large = {"large": torch.ones(64, 1001)}
    save_eight_bits(large, tmp_path / "unet", coarse=True)
    assert 0 <= count_parameters(tmp_path) - 64 * 1001 < 64 + 2 + 4  # scales, shape, what fills the last bytes
