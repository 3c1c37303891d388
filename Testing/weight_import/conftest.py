"""The original networks, their checkpoint and the model imported from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from published_checkpoints import write_lightning_checkpoint

from Xray2MRILib.cli import main

torch = pytest.importorskip("torch")


@pytest.fixture(scope="package")
def stock() -> dict[str, Any]:
    """The original networks."""
    pytest.importorskip("open_clip")
    from stock_networks import CONTEXT, randomised, stock_autoencoder, stock_unet

    from Xray2MRILib.models.clip_tower import build_clip_tower

    torch.manual_seed(0)
    return {
        "unet": randomised(stock_unet(), 1),
        "autoencoder": randomised(stock_autoencoder(), 2),
        "tower": randomised(build_clip_tower(64, 2, CONTEXT), 3),
        "projection": torch.randn(CONTEXT, CONTEXT + 4, generator=torch.Generator().manual_seed(4)),
        "bias": torch.randn(CONTEXT, generator=torch.Generator().manual_seed(5)),
    }


@pytest.fixture(scope="package")
def checkpoint(stock: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from stock_networks import state_of

    file = tmp_path_factory.mktemp("zero123") / "105000.ckpt"
    write_lightning_checkpoint(file, state_of(stock))
    return file


@pytest.fixture(scope="package")
def model(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("imported") / "zero123"
    assert main(["import", "zero123", str(checkpoint), "-o", str(output), "--json"]) == 0
    return output
