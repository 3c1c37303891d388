"""Half-precision arithmetic of U-Net and decoder: close to float32, refused in a sentence where a device lacks it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_pipeline import FAST, built  # noqa: E402

from Xray2MRILib.diffusion import precision as precision_module  # noqa: E402
from Xray2MRILib.diffusion.precision import autocast, choose_precision, is_faster  # noqa: E402
from Xray2MRILib.errors import InputError  # noqa: E402
from Xray2MRILib.generation import volume_pipeline  # noqa: E402
from Xray2MRILib.generation.settings import PRECISIONS, GenerationSettings  # noqa: E402

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
# bfloat16 has 8 bits of mantissa, a relative step of 0.8 %; two denoising steps and the decoder add some of them
TOLERANCE_MEAN, TOLERANCE_LARGEST = 0.01, 0.1  # of the grey range from 0 to 1


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (1, 256, 256)).astype(np.float32)


def test_bf16_gives_the_volume_of_fp32_within_the_tolerance(crop: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_pipeline, "is_faster", lambda *_: True)  # whatever this processor is good at
    pipeline = built().on_device("cpu")
    exact = pipeline(crop, **FAST)
    pipeline.use_precision("bf16")
    short = pipeline(crop, **FAST)
    assert short.provenance["run"]["precision"] == "bf16"
    assert exact.provenance["run"]["precision"] == "fp32"
    difference = np.abs(short.array - exact.array)
    assert difference.max() > 0  # it was not computed in float32
    assert difference.mean() < TOLERANCE_MEAN
    assert difference.max() < TOLERANCE_LARGEST
    assert short.array.dtype == np.float32
    assert {weight.dtype for weight in pipeline.unet.parameters()} == {torch.float32}


def test_a_processor_that_is_slower_with_bf16_uses_fp32_and_says_so(
    crop: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(volume_pipeline, "is_faster", lambda name, device, step: asked.append(name) or step() is None)
    pipeline = built().on_device("cpu")
    for has, expected in ((False, "fp32"), (True, "bf16")):
        monkeypatch.setattr(precision_module, "_processor_has_bf16", lambda has=has: has)
        for word, found in (("auto", expected), ("fp32", "fp32")):
            pipeline.use_precision(word)
            assert pipeline.precision == found
    assert asked == []  # only who asks for it has it tried
    pipeline.use_precision("bf16")
    assert (asked, pipeline.precision) == (["bf16"], "fp32")
    volume = pipeline(crop, **FAST)
    assert volume_pipeline.SLOWER_NOTE in volume.provenance["run"]["notes"]
    pipeline.use_precision("bf16")
    assert asked == ["bf16"]  # tried once
    pipeline.use_precision("fp32")
    assert pipeline(crop, **FAST).provenance["run"]["notes"] == []


def test_the_trial_takes_the_faster_one() -> None:
    work = torch.randn(64, 64)

    def slow_in_bf16() -> None:
        for _ in range(300 if torch.is_autocast_enabled("cpu") else 3):
            work @ work

    def slow_in_fp32() -> None:
        for _ in range(3 if torch.is_autocast_enabled("cpu") else 3000):
            work + work

    def unknown() -> None:
        if torch.is_autocast_enabled("cpu"):
            raise NotImplementedError

    assert not is_faster("bf16", "cpu", slow_in_bf16)
    assert is_faster("bf16", "cpu", slow_in_fp32)
    assert not is_faster("bf16", "cpu", unknown)


def test_auto_is_bf16_on_devices_that_compute_it_and_fp32_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, expected in ((True, "bf16"), (False, "fp32")):
        for kind, device in (("gpu", "cuda:1"), ("processor", "cpu")):
            monkeypatch.setattr(precision_module, f"_{kind}_has_bf16", lambda has=has: has)
            assert choose_precision("auto", device) == expected
        assert choose_precision("auto", "mps") == "fp32"
        assert choose_precision("fp16", "cuda") == "fp16"
    with pytest.raises(InputError, match="this GPU computes no bf16"):
        choose_precision("bf16", "cuda")


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="the flags of the processor are asked of Linux")
def test_bf16_is_what_the_processor_has_and_onednn_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    has = "avx512_bf16" in flags or "amx_tile" in flags
    assert choose_precision("auto", "cpu") == ("bf16" if has else "fp32")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert choose_precision("auto", "cpu") == ("bf16" if has else "fp32")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert choose_precision("auto", "cpu") == "fp32"


@pytest.mark.parametrize(("word", "sentence"), [("fp16", "processors compute no fp16"), ("int4", "choose auto, fp32")])
def test_what_a_processor_lacks_is_refused_in_a_sentence(word: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        choose_precision(word, "cpu")
    assert (refused.value.code, refused.value.field) == ("bad-option", "precision")


def test_settings_know_the_same_words() -> None:
    assert set(PRECISIONS) == {"auto", *precision_module.FORMATS}
    with pytest.raises(InputError, match="The precision cannot be double"):
        GenerationSettings(precision="double")


def test_fp32_is_no_autocast() -> None:
    with autocast("fp32", "cpu"):
        assert not torch.is_autocast_enabled("cpu")
    with autocast("bf16", "cpu"):
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16


@pytest.mark.slow
def test_the_script_for_a_machine_with_a_gpu_runs_to_its_end(tmp_path: Path) -> None:
    """On a processor it rehearses all but torch.compile and the size; such figures mean nothing."""
    output = tmp_path / "figures.json"
    command = [sys.executable, BENCHMARKS / "paper_preset_gpu.py", "--device", "cpu", "--no-compile", "--slices", "3",
               "--batch", "2", "--repeats", "1", "-o", output]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(output.read_text(encoding="utf-8"))
    assert (found["preset"], found["device"]) == ("tiny", "cpu")
    assert (found["forward_step"]["slices"], found["training_step"]["slices"]) == (3, 2)
    for name in ("forward_step", "training_step"):
        assert found[name]["seconds"] > 0
        assert found[name]["tflops"] == pytest.approx(found[name]["tflop_of_step"] / found[name]["seconds"])
    # three times the forward pass, for gradients of values and of weights, but for the first layer's
    per_slice = [found[name]["tflop_of_step"] / found[name]["slices"] for name in ("forward_step", "training_step")]
    assert per_slice[1] / per_slice[0] == pytest.approx(3, rel=0.1)
    assert all(found["volume"][steps]["seconds"] > 0 for steps in ("4 steps", "20 steps"))


def test_the_script_fits_the_paper_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """At full size with tensors that have no numbers: shapes, and the work of a slice that the documentation states."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import paper_preset_gpu as script
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        unet = script.Xray2MRIUNet(**script.UNET["paper"])
    given = script.unet_inputs(unet, 2, "meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        assert unet(*given).shape == (2, 4, 32, 32)
        assert unet(*given[:4], None).shape == (2, 4, 32, 32)  # a volume is measured without CLIP's token
    assert counter.get_total_flops() / 4 == pytest.approx(176e9, rel=0.03)
