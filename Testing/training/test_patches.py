"""Patches of the autoencoder: cut out all at once, the same as one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import autoencoder_recipe

torch = pytest.importorskip("torch")

from Xray2MRILib.training.autoencoder import draw_patches  # noqa: E402
from Xray2MRILib.training.recipes.autoencoder import AutoencoderRecipe  # noqa: E402


@pytest.mark.parametrize(("batch_size", "patch"), [(1, 64), (4, 128), (33, 128), (5, 256)])
def test_patches_are_those_that_are_cut_one_by_one(tmp_path: Path, batch_size: int, patch: int) -> None:
    recipe = AutoencoderRecipe.from_json(
        autoencoder_recipe(tmp_path, batch_size=batch_size, patch=patch, radiograph_share=0.4)
    )
    pictures = torch.Generator().manual_seed(1)
    volumes = torch.randint(0, 256, (3, 50, 256, 256), generator=pictures, dtype=torch.uint8)
    radiographs = torch.randint(0, 256, (2, 1, 256, 256), generator=pictures, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(5)
    found = draw_patches(volumes, radiographs, recipe, torch.Generator().manual_seed(5))
    assert found.shape == (batch_size, 1, patch, patch)
    for image in found:
        which, depth, *place, kind = torch.rand(5, generator=generator).tolist()
        picture = volumes[int(which * 3), int(depth * 50)] if kind >= 0.4 else radiographs[int(which * 2), 0]
        row, column = (int((0.5 + 0.62 * (d - 0.5) * 2 * 0.8) * (256 - patch)) for d in place)
        wanted = picture[row : row + patch, column : column + patch].float() / 127.5 - 1
        assert torch.equal(image[0], wanted)
