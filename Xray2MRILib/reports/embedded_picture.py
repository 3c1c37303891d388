"""Pictures inside of a page, which therefore needs no other file."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


def data_uri(picture: Image.Image | np.ndarray) -> str:
    """``data:image/png;base64,...`` of a Pillow image or of an [H, W, 3] uint8 array."""
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=6)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
