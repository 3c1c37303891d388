"""The arithmetic of U-Net and decoder: float32, or a shorter format by autocast.

Weights and everything else stay in float32. bfloat16 has float32's range, float16 does not and may overflow.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import torch

from ..errors import InputError

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(word: str, device: torch.device | str) -> str:
    """fp32, bf16 or fp16 for the user's word: ``auto`` is bf16 on devices that compute it, fp32 elsewhere.

    Raises InputError (code ``bad-option``) for another word, and for a format that the device does not compute.
    """
    kind = torch.device(device).type
    if word == "auto":
        computes = {"cuda": _gpu_has_bf16, "cpu": _processor_has_bf16}.get(kind, lambda: False)
        return "bf16" if computes() else "fp32"
    if word not in FORMATS:
        raise _refusal(word, "choose auto, fp32, bf16 or fp16")
    if word == "fp16" and kind == "cpu":
        raise _refusal(word, "processors compute no fp16; choose auto, fp32 or bf16")
    if word == "bf16" and kind == "cuda" and not _gpu_has_bf16():
        raise _refusal(word, "this GPU computes no bf16; choose auto, fp32 or fp16")
    if word != "fp32" and not torch.amp.is_autocast_available(kind):
        raise _refusal(word, f"PyTorch {torch.__version__} has no autocast for {kind}; choose auto or fp32")
    return word


def _gpu_has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def _processor_has_bf16() -> bool:
    """Whether the processor has instructions for bfloat16 (AVX512_BF16 or AMX), which a network gains from.

    Others emulate it and lose, and so do those whose instructions oneDNN was told to leave alone.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if limit and "BF16" not in limit and "AMX" not in limit and limit not in ("ALL", "DEFAULT"):
        return False
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, and absent in some versions
    try:
        return torch.backends.mkldnn.is_available() and any(getattr(torch.cpu, name, lambda: False)() for name in asked)
    except (RuntimeError, AttributeError):
        return False


def _refusal(word: str, rule: str) -> InputError:
    return InputError(f"The precision cannot be {word[:40]}: {rule}.", code="bad-option", field="precision")


def autocast(precision: str, device: torch.device | str) -> contextlib.AbstractContextManager:
    """Autocast on the device for bf16 and fp16, nothing for fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, FORMATS[precision])


def is_faster(precision: str, device: torch.device | str, step: Callable[[], object], repeats: int = 2) -> bool:
    """Whether ``step`` takes less time than in fp32, by the best of ``repeats`` runs after one to warm up.

    Processors with matrix units for bfloat16 gain; others emulate it and lose.
    """
    seconds = {}
    for name in ("fp32", precision):
        runs = []
        for _ in range(repeats + 1):
            started = time.perf_counter()
            try:
                with autocast(name, device), torch.inference_mode():
                    step()
            except NotImplementedError:  # an operation that the device knows in fp32 only
                return False
            runs.append(time.perf_counter() - started)
        seconds[name] = min(runs[1:])
    return seconds[precision] < seconds["fp32"]
