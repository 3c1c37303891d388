"""Published weights as a model folder to train from: the stock network at step 0, with untrained parts added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..diffusion.schedule import ddim_schedule
from ..errors import InputError
from ..files.checksums import sha256_of
from ..files.json_files import write_json
from ..files.new_folder import NewFolder
from .diffusers_folder import current_attention_names, network_file, read_diffusers_folder, read_network_tensors
from .published_weights import PublishedWeights, autoencoder_sizes, other_family, tower_sizes, unet_sizes
from .tensor_file import read_tensors
from .zero123 import convert_autoencoder, read_zero123

LICENCE = "not stated: the terms of the published weights apply"
ZERO123_DATA = "Zero-123: renderings of Objaverse's objects, on weights that learnt from LAION's pictures; no knees"
AUTOENCODER_DATA = "Stable Diffusion's autoencoder: pictures of OpenImages and LAION; no knees"
FOLDER_DATA = "published weights of Stable Diffusion 1's family, whose folder does not state their data"
_UNTRAINED = "Depth, p and i are not trained in this model yet: it shows no knees before it is trained."
_CONVERTER_DEFECT = 1e-10  # alpha-bar at step 999 that an old converter of Zero-123 writes by mistake; true: 0.00466


def import_zero123(source: Path, output: Path) -> list[str]:
    """Write the model folder of a Zero-123 checkpoint, or of its folder in diffusers' layout; returns notes."""
    weights = read_diffusers_folder(source, image_tower=True) if source.is_dir() else read_zero123(source)
    return _write(weights, source, output, ZERO123_DATA, None)


def import_diffusers(source: Path, output: Path, clip_weights: Path | None = None) -> list[str]:
    """Write the model folder of a diffusers folder of Stable Diffusion 1's family; returns notes.

    Where it has no image tower, the tower is OpenAI's, from ``clip_weights`` or a cache.
    """
    if not source.is_dir():
        raise InputError(f"There is no folder {source.name}.", code="no-weights", hint="Give a diffusers folder.")
    return _write(read_diffusers_folder(source), source, output, FOLDER_DATA, clip_weights)


def import_autoencoder(source: Path, output: Path) -> list[str]:
    """Write Stable Diffusion's autoencoder as ``output``/autoencoder; returns notes.

    ``source`` is its single file, a checkpoint that contains it, its diffusers folder, or a pipeline's folder.
    """
    if source.is_dir():
        folder = source / "vae" if (source / "vae").is_dir() else source
        tensors = current_attention_names(read_network_tensors(folder))
    else:
        tensors = _single_file_autoencoder(read_tensors(source))
    vae = _autoencoder(tensors)
    with NewFolder(output, 4 * sum(tensor.numel() for tensor in tensors.values())) as draft:
        vae.save_pretrained(draft / "autoencoder")
        write_json(draft / "training_data.json", {"training_data": AUTOENCODER_DATA, "source_sha256": _digests(source)})
    return []


def _single_file_autoencoder(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "first_stage_model."
    below = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)} or tensors
    kept = {
        name: t
        for name, t in below.items()
        if name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
    }
    if "encoder.down_blocks.0.resnets.0.norm1.weight" in kept:  # a file in diffusers' names
        return current_attention_names(kept)
    return convert_autoencoder(kept)


def build_imported(weights: PublishedWeights, clip_weights: Path | None = None) -> dict[str, Any]:
    """The components of the model: published tensors in the stock parts, zero-initialised added parts.

    Raises InputError for weights of another architecture, and when CLIP's tower is nowhere.
    """
    from ..model_store.clip_weights import load_clip_weights
    from ..models.conditional_unet import Xray2MRIUNet
    from ..models.radiograph_encoder import RadiographEncoder

    sizes = unet_sizes(weights.unet)
    torch.manual_seed(0)  # of the added parts
    unet = Xray2MRIUNet(**sizes)
    tower = {} if weights.tower is None else tower_sizes(weights.tower)
    encoder = RadiographEncoder(
        token_encoder="clip", token_width=sizes["cross_attention_dim"], field_placement=False,
        local_normalisation=False, radiograph_latent_scale=1.0, **tower,
    )  # fmt: skip
    try:
        unet.load_stock_weights(_with_radiograph_channels(weights.unet))
        if weights.tower is None:
            load_clip_weights(encoder.clip_visual, clip_weights)
        else:
            encoder.clip_visual.load_state_dict({name: tensor.float() for name, tensor in weights.tower.items()})
        if weights.projection is not None:
            weight, bias = weights.projection
            width = encoder.projection.in_features  # the columns behind it belong to the camera's pose
            encoder.projection.load_state_dict({"weight": weight[:, :width].float(), "bias": bias.float()})
    except (ValueError, RuntimeError) as error:
        raise other_family() from error
    return {
        "autoencoder": _autoencoder(weights.autoencoder), "unet": unet.eval(), "radiograph_encoder": encoder.eval(),
        "scheduler": ddim_schedule(),
    }  # fmt: skip


def check_published_schedule(alphas_cumprod: Tensor | None) -> list[str]:
    """Compare a source's schedule with the paper's; returns notes. Raises InputError for another schedule."""
    own = ddim_schedule().alphas_cumprod
    if alphas_cumprod is None:
        return []
    if alphas_cumprod.shape == own.shape and torch.allclose(alphas_cumprod.float(), own, rtol=1e-3, atol=1e-5):
        return []
    if alphas_cumprod.shape == own.shape and float(alphas_cumprod[-1]) < _CONVERTER_DEFECT:
        return ["The folder states a schedule that a known converter writes by mistake; the published one is used."]
    raise InputError(
        "The weights were trained with another noise schedule than Zero-123's.",
        code="other-schedule",
        hint="Give weights with 1000 steps of scaled linear betas from 0.00085 to 0.0120.",
    )


def _with_radiograph_channels(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The U-Net's tensors with eight channels in: of four the others are zeros, as Zero-123 began."""
    first = weights["conv_in.weight"].float()
    if first.shape[1] == 4:
        first = torch.cat((first, torch.zeros_like(first)), dim=1)
    return {name: tensor.float() for name, tensor in weights.items()} | {"conv_in.weight": first}


def _autoencoder(weights: Mapping[str, Tensor]) -> Any:
    from ..models.diffusers_parts import AutoencoderKL

    vae = AutoencoderKL(**autoencoder_sizes(weights))
    try:
        vae.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as error:
        raise other_family() from error
    return vae.eval()


def _write(weights: PublishedWeights, source: Path, output: Path, data: str, clip_weights: Path | None) -> list[str]:
    from ..baselines.registry import OURS, find_method
    from ..generation.pipeline import Xray2MRIPipeline
    from ..models.presets import UNET

    notes = check_published_schedule(weights.alphas_cumprod)
    components = build_imported(weights, clip_weights)
    is_paper = components["unet"].config.block_out_channels == list(UNET["paper"]["block_out_channels"])
    card = {
        "preset": "paper" if is_paper else "other",
        "method": {"name": OURS, "title": find_method(OURS).title},
        "training_data": data,
        "licence": LICENCE,
        "intended_use": f"to train from; synthetic pictures, not for diagnosis. {_UNTRAINED}",
        "source_sha256": _digests(source),
        "sampling": {},
    }
    networks = [part for part in components.values() if isinstance(part, torch.nn.Module)]
    needed = 4 * sum(parameter.numel() for network in networks for parameter in network.parameters())
    with NewFolder(output, needed) as draft:
        Xray2MRIPipeline(**components).save_pretrained(draft, card=card)
    return [*notes, _UNTRAINED]


def _digests(source: Path) -> str | dict[str, str]:
    """SHA256 of a file, or of each network's file in a folder."""
    if source.is_file():
        return sha256_of(source)
    folders = [source, *sorted(path for path in source.iterdir() if path.is_dir())]
    return {folder.name: sha256_of(file) for folder in folders if (file := network_file(folder)) is not None}
