"""The CAE generator (Wang, Chetouani, Jennane, arXiv 2503.13555): a radiograph's code turned into a volume in one pass.

A convolutional auto-encoder reconstructs the radiograph; its code also feeds a generator whose last layer has one
channel per slice. Hybrid loss: radiograph reconstruction + lambda * MRI generation. We know only the abstract of that
study; layers follow the auto-encoder of the same authors' KECAE (arXiv 2302.13336), and lambda = 1 and joint training
are our reading. There is no noise: one radiograph gives one volume, a smooth mean of the possible ones.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from ..models.network import Network, register_to_config
from ..volume.geometry import OAI_FIELD

RADIOGRAPH_SIZE = 299  # 299-149-74-36-17-8-3-1 through seven unpadded convolutions of stride 2
_ENCODER = (1, 2, 4, 8, 16, 32, 64)  # in units of the first layer's channels
# channels in the same unit, kernel, stride, padding: spatial size 1-4-8-18-36-74-148-299
_DECODER = ((128, 4, 1, 0), (64, 4, 2, 1), (32, 4, 2, 0), (16, 4, 2, 1), (8, 4, 2, 0), (4, 4, 2, 1))
_LAST = (7, 2, 1)

# channels of the first layer: the published 32 (code 2048, 652 million parameters), and 4 with 10 million
WIDTHS = {"paper": 32, "compact": 4, "tiny": 1}


class RadiographEncoder(nn.Sequential):
    """Radiograph [B, 1, 299, 299] -> code [B, 64 * width, 1, 1]."""

    def __init__(self, width: int) -> None:
        layers: list[nn.Module] = []
        for place, (entering, leaving) in enumerate(pairwise((1, *(share * width for share in _ENCODER)))):
            layers.append(nn.Conv2d(entering, leaving, 3, stride=2))
            if place:
                layers.append(nn.BatchNorm2d(leaving))
            layers.append(nn.LeakyReLU(0.2))
        super().__init__(*layers)


class Ladder(nn.Sequential):
    """Code [B, 64 * width, 1, 1] -> images [B, channels, 299, 299] in (-1, 1)."""

    def __init__(self, width: int, channels: int) -> None:
        layers: list[nn.Module] = []
        entering = _ENCODER[-1] * width
        for share, kernel, stride, padding in _DECODER:
            leaving = share * width
            layers += [
                nn.ConvTranspose2d(entering, leaving, kernel, stride, padding),
                nn.BatchNorm2d(leaving),
                nn.ReLU(),
            ]
            entering = leaving
        super().__init__(*layers, nn.ConvTranspose2d(entering, channels, *_LAST), nn.Tanh())


class CaeGenerator(Network):
    """Encoder, radiograph decoder and volume generator.

    Parameters
    ----------
    width
        Channels of the encoder's first layer.
    slices
        Slices of the volume, posterior first, each one channel of the generator's last layer.
    size
        Rows and columns of the volume.
    """

    title = "CAE generator"
    hint = "Name the folder model that xray2mri train cae wrote."

    @register_to_config
    def __init__(self, width: int = 32, slices: int = OAI_FIELD.num_slices, size: int = OAI_FIELD.pixels) -> None:
        super().__init__()
        self.encoder = RadiographEncoder(width)
        self.film_decoder = Ladder(width, 1)
        self.volume_generator = Ladder(width, slices)

    def forward(self, radiograph: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstructed radiograph [B, 1, 299, 299] and volume [B, S, size, size], in (-1, 1), of a crop [B, 1, H,
        W]."""
        code = self.encoder(self.radiograph_as_seen(radiograph))
        return self.film_decoder(code), self._volume(code)

    def volume(self, radiograph: Tensor) -> Tensor:
        """The volume [B, S, size, size] in (-1, 1) alone."""
        return self._volume(self.encoder(self.radiograph_as_seen(radiograph)))

    def _volume(self, code: Tensor) -> Tensor:
        size = self.config["size"]
        slices = self.volume_generator(code).float()  # a CPU has no antialiasing in bfloat16
        return functional.interpolate(slices, (size, size), mode="bilinear", align_corners=False, antialias=True)

    @staticmethod
    def radiograph_as_seen(radiograph: Tensor) -> Tensor:
        """The crop [B, 1, H, W] at the encoder's size."""
        return functional.interpolate(
            radiograph, (RADIOGRAPH_SIZE, RADIOGRAPH_SIZE), mode="bilinear", align_corners=False
        )


def hybrid_loss(network: CaeGenerator, radiograph: Tensor, volume: Tensor, volume_weight: float = 1.0) -> Tensor:
    """Mean squared error of the radiograph plus ``volume_weight`` times that of the volume, both in [-1, 1]."""
    reconstruction, generated = network(radiograph)
    radiograph_error = functional.mse_loss(reconstruction.float(), network.radiograph_as_seen(radiograph))
    return radiograph_error + volume_weight * functional.mse_loss(generated.float(), volume)
