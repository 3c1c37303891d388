"""Drawn pairs and an autoencoder for the tests of training runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_pairs import drawn_pair


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three pairs."""
    from Xray2MRILib.simulation.pairs.pair_store import write_pair

    folder = tmp_path_factory.mktemp("pairs")
    for k in range(3):
        write_pair(folder, k, drawn_pair(k))
    return folder


@pytest.fixture(scope="session")
def untrained_autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what a network learns of its latents is not the point."""
    import torch

    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    vae = build_components("tiny")["autoencoder"]
    vae.register_to_config(latents_mean=[0.1] * 4, latents_std=[0.5] * 4)
    folder = tmp_path_factory.mktemp("untrained") / "autoencoder"
    vae.save_pretrained(folder)
    return folder
