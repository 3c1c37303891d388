"""The image tower of OpenAI's CLIP ViT-L/14, whose embedding is the radiograph's token (A1), and its input.

Zero-123 and X-Diffusion use it frozen: no training of this package changes it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ..errors import ProcessingError

WIDTH, LAYERS, EMBEDDING = 1024, 24, 768
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def clip_preprocess(image: Tensor) -> Tensor:
    """CLIP's input [B, 3, 224, 224] from [B, 1, H, W] in [-1, 1], prepared as in Zero-123.

    Bicubic with aligned corners and without antialiasing, then normalised with CLIP's mean and standard deviation.
    """
    resized = functional.interpolate(image, size=(224, 224), mode="bicubic", align_corners=True, antialias=False)
    mean = image.new_tensor(_MEAN)[:, None, None]
    std = image.new_tensor(_STD)[:, None, None]
    return ((resized + 1) / 2 - mean) / std


def build_clip_tower(width: int = WIDTH, layers: int = LAYERS, embedding: int = EMBEDDING) -> nn.Module:
    """The tower [B, 3, 224, 224] -> [B, embedding] with its QuickGELU, frozen, without published weights.

    Sizes other than the default are for tests. Raises ProcessingError when the package open_clip is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise ProcessingError(
            "This model uses a CLIP token, but the package open_clip is not installed.",
            code="missing-package",
            hint="Install it with: pip install 'xray2mri[clip]'.",
        ) from error
    vision = dict(open_clip.get_model_config("ViT-L-14")["vision_cfg"]) | {"width": width, "layers": layers}
    # of the two towers only the image's is kept: the text's may be as small as it can be
    text = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}
    tower = open_clip.CLIP(embed_dim=embedding, vision_cfg=vision, text_cfg=text, quick_gelu=True).visual
    return tower.requires_grad_(False)


def has_published_size(tower: nn.Module) -> bool:
    """Whether a tower is as large as the published one, so that its weights fit."""
    sizes = (tower.conv1.out_channels, len(tower.transformer.resblocks), tower.proj.shape[1])
    return sizes == (WIDTH, LAYERS, EMBEDDING)
