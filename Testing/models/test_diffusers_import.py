"""The parts of diffusers that generation loads: nothing else, no trace of stand-ins, and the library's own classes."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

UNUSED = ["torch._dynamo", "scipy.stats", "sympy", "diffusers.models.transformers.auraflow_transformer_2d"]


def run(script: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_model_is_loaded_without_the_parts_that_it_does_not_use():
    script = f"""
import sys
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
Xray2MRIPipeline.from_pretrained("compact", device="cpu")
print([name for name in {UNUSED} if name in sys.modules])
"""
    assert run(script) == "[]"


def test_afterwards_the_whole_library_can_be_imported_and_has_the_same_classes():
    script = """
import sys
from Xray2MRILib.models import diffusers_parts as parts
import diffusers, diffusers.hooks, scipy.stats, torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline, UNet2DConditionModel, UNet2DModel
from diffusers.models.transformers import Transformer2DModel
from diffusers.models import transformers, autoencoders, unets
same = [AutoencoderKL is parts.AutoencoderKL, DDIMScheduler is parts.DDIMScheduler,
        DiffusionPipeline is parts.DiffusionPipeline, UNet2DConditionModel is parts.UNet2DConditionModel]
block = parts.UNet2DConditionModel(
    block_out_channels=(8, 8), layers_per_block=1, cross_attention_dim=8, attention_head_dim=2, norm_num_groups=4,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
).down_blocks[0].attentions[0]
files = [m.__spec__.origin.endswith("__init__.py") for m in (diffusers.hooks, transformers, autoencoders, unets)]
compiled = torch.compile(lambda x: 2 * x, backend="eager")(torch.ones(2)).tolist()
print(same, isinstance(block, Transformer2DModel), files, scipy.stats.beta.ppf(0.5, 1, 1), compiled)
"""
    assert run(script) == f"{[True] * 4} True {[True] * 4} 0.5 [2.0, 2.0]"


def test_a_library_that_refuses_is_imported_the_ordinary_way():
    script = """
import sys
from Xray2MRILib.models import diffusers_import
diffusers_import._PARTS = ("diffusers.models.attention", "diffusers.no_such_part")
from Xray2MRILib.models.diffusers_parts import AutoencoderKL, UNet2DConditionModel
import diffusers, torch._dynamo
print(AutoencoderKL is diffusers.AutoencoderKL, hasattr(torch._dynamo, "OptimizedModule"))
"""
    assert run(script) == "True True"


def test_a_library_that_is_loaded_already_is_left_as_it_is():
    script = """
from diffusers import AutoencoderKL
import sys
loaded = dict(sys.modules)
from Xray2MRILib.models.diffusers_import import import_parts
before = {name: id(module) for name, module in sys.modules.items()}
import_parts()
print({name: id(module) for name, module in sys.modules.items()} == before)
"""
    assert run(script) == "True"
