"""Go on with networks whose latents get more channels: earlier weights in their places, small new ones beside them.

A latent of twice the channels keeps detail that the narrower one lost, and what the networks know about radiographs and
anatomy need not be learnt again. The earlier channels come out of the widened encoder exactly as before.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_NEW_INPUT_DEVIATION = 0.02  # of the weights from new latent channels into the U-Net
_NEW_OUTPUT_SHARE = 0.3  # of the usual initial weights, for the U-Net's new outputs


def widened_autoencoder(own: Mapping[str, Tensor], earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name -> tensor of the layers of an autoencoder that depend on the number of latent channels; maybe none.

    ``own`` are freshly initialised weights.
    """
    if "post_quant_conv.bias" not in earlier or "post_quant_conv.bias" not in own:
        return {}
    before, now = (len(weights["post_quant_conv.bias"]) for weights in (earlier, own))
    if before >= now:
        return {}
    result: dict[str, Tensor] = {}
    for name in ("encoder.conv_out", "quant_conv"):  # mean and log variance, one after the other
        weight, bias = own[f"{name}.weight"].clone(), own[f"{name}.bias"].clone()
        old_weight, old_bias = earlier[f"{name}.weight"], earlier[f"{name}.bias"]
        if name == "quant_conv":
            weight[:before] = 0
            columns = torch.cat((torch.arange(before), now + torch.arange(before)))
        else:
            columns = torch.arange(weight.shape[1])
        weight[now:] = 0
        rows = torch.cat((torch.arange(before), now + torch.arange(before)))
        weight[rows[:, None], columns] = old_weight
        bias[rows] = old_bias
        bias[now + before :] = old_bias[before:].mean()
        result |= {f"{name}.weight": weight, f"{name}.bias": bias}
    weight, bias = own["post_quant_conv.weight"].clone(), own["post_quant_conv.bias"].clone()
    weight[:before] = 0
    weight[:before, :before] = earlier["post_quant_conv.weight"]
    bias[:before] = earlier["post_quant_conv.bias"]
    entering = own["decoder.conv_in.weight"].clone()
    entering[:, :before] = earlier["decoder.conv_in.weight"]
    return result | {
        "post_quant_conv.weight": weight,
        "post_quant_conv.bias": bias,
        "decoder.conv_in.weight": entering,
    }


def widened_unet(own: Mapping[str, Tensor], earlier: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name -> tensor of the first and last layer of a U-Net whose latents got more channels; maybe none.

    The first layer's channels are those of the noisy latent, of the radiograph's latent and of its features.
    ``own`` are freshly initialised weights.
    """
    names = ("conv_in.weight", "conv_out.weight", "conv_out.bias")
    if not all(name in weights for name in names for weights in (own, earlier)):
        return {}
    before, now = (len(weights["conv_out.bias"]) for weights in (earlier, own))
    first, old = own["conv_in.weight"], earlier["conv_in.weight"]
    if before >= now or first.shape[1] - 2 * now != old.shape[1] - 2 * before or len(first) != len(old):
        return {}
    first = torch.randn(first.shape, dtype=first.dtype) * _NEW_INPUT_DEVIATION
    first[:, :before] = old[:, :before]
    first[:, now : now + before] = old[:, before : 2 * before]
    first[:, 2 * now :] = old[:, 2 * before :]
    result = {"conv_in.weight": first}
    for name in ("conv_out.weight", "conv_out.bias"):
        result[name] = own[name] * _NEW_OUTPUT_SHARE
        result[name][:before] = earlier[name]
    return result
