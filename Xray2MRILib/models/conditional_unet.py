"""U of the paper: the noise prediction network eps(z_t, t, [E2(x_c), d, w(p, i)]) of eq. 7, 8 and 15.

Depth d enters the down path, w(p, i) the up path. The blocks are those of diffusers' UNet2DConditionModel under their
own names, so that weights of that network (and thus Zero-123's) load as they are. Only the forward pass is written
here, because the stock one shares a single embedding among all blocks (A3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from .adaptive_weight import AdaptiveWeight
from .depth_embedding import DepthEmbedding
from .diffusers_parts import ConfigMixin, ModelMixin, UNet2DConditionModel, register_to_config
from .short_attention import shorten_attention


class Xray2MRIUNet(ModelMixin, ConfigMixin):
    """Conditional U-Net; equal to the stock network of the same weights until its added parts are trained.

    Parameters
    ----------
    in_channels, out_channels
        8 and 4: noisy latent and radiograph latent in, noise (or v) out.
    block_out_channels, down_block_types, up_block_types, layers_per_block, cross_attention_dim, norm_num_groups
        As in UNet2DConditionModel.
    attention_heads
        Heads of every attention layer (UNet2DConditionModel calls this ``attention_head_dim``).
    depth
        False leaves depth out (ablation).
    condition_names, condition_sizes
        Vectors for the up path, by default p (5 grade probabilities) and i (64 histogram bins); leave one out to ablate
        it, add one to extend (A21). Both empty: no guidance in the up path.
    guidance
        ``mixed``, ``broadcast`` or ``sum``, see adaptive_weight.
    token
        False ignores the radiograph token (ablation of A1).
    two_modes
        True adds a vector to the time embedding that says that a sample is drawn as printed, with unit noise and
        without guidance. A distilled network needs it, because its ordinary samples have the guidance in them.
    """

    _supports_gradient_checkpointing = True
    _added = ("depth_embedding.", "adaptive_weights.", "printed_mode")  # parts that the stock network lacks

    @register_to_config
    def __init__(
        self,
        in_channels: int = 8,
        out_channels: int = 4,
        block_out_channels: Sequence[int] = (48, 96, 192),
        down_block_types: Sequence[str] = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types: Sequence[str] = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block: int = 1,
        attention_heads: int = 4,
        cross_attention_dim: int = 128,
        norm_num_groups: int = 16,
        depth: bool = True,
        depth_frequencies: int = 8,
        condition_names: Sequence[str] = ("p", "i"),
        condition_sizes: Sequence[int] = (5, 64),
        guidance: str = "mixed",
        token: bool = True,
        two_modes: bool = False,
    ) -> None:
        super().__init__()
        stock = UNet2DConditionModel(
            in_channels=in_channels,
            out_channels=out_channels,
            block_out_channels=tuple(block_out_channels),
            down_block_types=tuple(down_block_types),
            up_block_types=tuple(up_block_types),
            layers_per_block=layers_per_block,
            attention_head_dim=attention_heads,
            cross_attention_dim=cross_attention_dim,
            norm_num_groups=norm_num_groups,
        )
        for name, part in stock.named_children():
            self.add_module(name, part)
        shorten_attention(self)

        time_width = stock.time_embedding.linear_2.out_features
        if two_modes:
            self.printed_mode = nn.Parameter(torch.zeros(time_width))
        if depth:
            self.depth_embedding = DepthEmbedding(time_width, len(block_out_channels), depth_frequencies)
        if condition_names:
            # channels at the INPUT of each up block (A8): the mid block's, then each up block's own output
            entering = [block_out_channels[-1], *reversed(block_out_channels)][: len(block_out_channels)]
            self.adaptive_weights = nn.ModuleList(
                AdaptiveWeight(channels, condition_names, condition_sizes, guidance) for channels in entering
            )

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | int,
        depth: Tensor | None = None,
        conditions: Mapping[str, Tensor] | None = None,
        token: Tensor | None = None,
        to_middle: Tensor | None = None,
        as_printed: Tensor | bool = False,
    ) -> Tensor:
        """Predicted noise (or v) [B, 4, h, w].

        Parameters
        ----------
        sample
            [B, 8, h, w]: noisy latent z_t, then the radiograph latent; h and w divide by 2 per level.
        timestep
            t, one for all or [B].
        depth
            u [B] in [-1, 1], -1 the most posterior slice.
        conditions
            {"p": [B, 5], "i": [B, 64]}, each summing to 1; names that this network does not use are ignored.
        token
            [B, N, cross_attention_dim]; None or all zeros is the null token.
        to_middle
            Added to what enters the middle block, of its shape; for networks with a side path.
        as_printed
            Whether the sample is drawn as printed, one for all or [B]; only a network of two modes hears it.
        """
        batch = sample.shape[0]
        timesteps = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(batch)
        time = self.time_embedding(self.time_proj(timesteps).to(sample.dtype))
        if self.config.two_modes:
            time = (
                time + torch.as_tensor(as_printed, device=time.device).to(time.dtype).reshape(-1, 1) * self.printed_mode
            )
        if token is None or not self.config.token:
            token = sample.new_zeros(batch, 1, self.config.cross_attention_dim)

        down_embeddings = [time] * len(self.down_blocks)
        if self.config.depth:
            down_embeddings = [time + embedding for embedding in self.depth_embedding(depth)]

        hidden = self.conv_in(sample)
        skips = (hidden,)
        for block, embedding in zip(self.down_blocks, down_embeddings, strict=True):
            hidden, block_skips = block(hidden_states=hidden, temb=embedding, **_attending(block, token))
            skips += block_skips

        if to_middle is not None:
            hidden = hidden + to_middle
        hidden = self.mid_block(hidden, time, **_attending(self.mid_block, token))

        for stage, block in enumerate(self.up_blocks):
            if self.config.condition_names:
                hidden = self.adaptive_weights[stage](hidden, conditions)
            block_skips, skips = skips[-len(block.resnets) :], skips[: -len(block.resnets)]
            hidden = block(
                hidden_states=hidden, temb=time, res_hidden_states_tuple=block_skips, **_attending(block, token)
            )

        return self.conv_out(self.conv_act(self.conv_norm_out(hidden)))

    def load_stock_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the tensors of a UNet2DConditionModel of the same size, e.g. converted Zero-123 weights.

        Raises ValueError when a tensor is missing, unknown or of another shape; the added parts keep their values.
        """
        own = self.state_dict()
        wanted = {name for name in own if not name.startswith(self._added)}
        if wanted != set(weights):
            difference = sorted(wanted ^ set(weights))
            raise ValueError(f"weights differ from the stock network in {len(difference)} tensors: {difference[:3]}")
        shapes = [name for name in wanted if own[name].shape != weights[name].shape]
        if shapes:
            raise ValueError(f"weights differ from the stock network in shape: {sorted(shapes)[:3]}")
        self.load_state_dict(dict(weights), strict=False)

    def added_parameters(self) -> list[nn.Parameter]:
        """Parameters that a stock network lacks: those that train at ten times the rate (A14)."""
        return [parameter for name, parameter in self.named_parameters() if name.startswith(self._added)]


def _attending(block: nn.Module, token: Tensor) -> dict[str, Tensor]:
    """The token for blocks with cross-attention, nothing for the others, whose forward would refuse it."""
    return {"encoder_hidden_states": token} if getattr(block, "has_cross_attention", False) else {}
