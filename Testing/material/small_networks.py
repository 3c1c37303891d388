"""Untrained networks of the series of radiographs and of early osteoarthritis, small, in the layout of trained ones."""

from __future__ import annotations

from pathlib import Path


def save_morphing_model(folder: Path) -> Path:
    """A morphing model whose frames differ visibly."""
    import torch

    from Xray2MRILib.baselines.morphing import MorphingModel

    torch.manual_seed(0)
    model = MorphingModel(channels=(4, 4, 4, 4), code=4)
    torch.nn.init.normal_(model.change.appearance.weight, std=1.0)
    model.save_pretrained(folder)
    return folder


def save_siamese_gap(folder: Path) -> Path:
    """A Siamese-GAP network of four channels a stage."""
    import torch

    from Xray2MRILib.baselines.siamese_gap import SiameseGap

    torch.manual_seed(0)
    SiameseGap(channels=(4, 4, 4, 4)).save_pretrained(folder)
    return folder
