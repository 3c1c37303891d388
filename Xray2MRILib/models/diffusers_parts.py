"""The parts of diffusers that generation uses, loaded without the rest of the library (diffusers_import.py).

Whatever takes part in generation imports them from here; training may import diffusers itself.
"""

from __future__ import annotations

from .diffusers_import import import_parts

import_parts()

# by the modules that hold them: the packages' own names would load all that the packages hold
from diffusers.configuration_utils import ConfigMixin, register_to_config  # noqa: E402
from diffusers.models.attention_processor import Attention, AttnProcessor2_0  # noqa: E402
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL  # noqa: E402
from diffusers.models.modeling_utils import ModelMixin  # noqa: E402
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # noqa: E402
from diffusers.models.upsampling import Upsample2D  # noqa: E402
from diffusers.pipelines.pipeline_utils import DiffusionPipeline  # noqa: E402
from diffusers.schedulers.scheduling_ddim import DDIMScheduler, DDIMSchedulerOutput  # noqa: E402
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler  # noqa: E402
from diffusers.utils.import_utils import is_accelerate_available  # noqa: E402

__all__ = [
    "Attention", "AttnProcessor2_0", "AutoencoderKL", "ConfigMixin", "DDIMScheduler", "DDIMSchedulerOutput",
    "DPMSolverMultistepScheduler", "DiffusionPipeline", "ModelMixin", "UNet2DConditionModel",
    "Upsample2D", "is_accelerate_available", "register_to_config",
]  # fmt: skip
