"""A training that begins from an earlier network: which tensors are copied, and what a wider first layer computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from Xray2MRILib.errors import InputError

torch = pytest.importorskip("torch")


def _unet(method: str):
    from Xray2MRILib.model_store.assembly import build_components

    return build_components("tiny", method=method)["unet"].eval()


def test_a_widened_network_computes_what_the_earlier_one_did(tmp_path: Path) -> None:
    """The paper's network begun from a depth-only one ignores radiograph and guidance until it is trained."""
    from Xray2MRILib.training.warm_start import load_matching_weights

    earlier = _unet("ldm")
    with torch.no_grad():
        for parameter in earlier.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    earlier.save_pretrained(tmp_path / "unet")
    wider = _unet("xray2mri")
    assert load_matching_weights(wider, tmp_path / "unet") == len(earlier.state_dict())

    generator = torch.Generator().manual_seed(2)
    noisy = torch.randn(2, earlier.config.in_channels, 32, 32, generator=generator)
    radiograph = torch.randn(2, wider.config.in_channels - noisy.shape[1], 32, 32, generator=generator)
    depth = torch.tensor([-0.5, 0.25])
    conditions = {"p": torch.eye(5)[[0, 3]], "i": torch.full((2, 64), 1 / 64)}
    with torch.no_grad():
        before = earlier(noisy, 500, depth)
        after = wider(torch.cat((noisy, radiograph), dim=1), 500, depth, conditions)
    assert torch.allclose(before, after, atol=1e-5)
    assert before.std() > 0.01  # the comparison is not one of zeros


def test_tensors_of_other_shapes_stay_as_they_were(tmp_path: Path) -> None:
    from Xray2MRILib.training.warm_start import load_matching_weights

    earlier, later = torch.nn.Sequential(torch.nn.Linear(3, 2)), torch.nn.Sequential(torch.nn.Linear(4, 2))
    from safetensors.torch import save_file

    save_file(earlier.state_dict(), tmp_path / "diffusion_pytorch_model.safetensors")
    weight = later[0].weight.clone()
    assert load_matching_weights(later, tmp_path) == 1
    assert torch.equal(later[0].weight, weight)
    assert torch.equal(later[0].bias, earlier[0].bias)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    from Xray2MRILib.training.warm_start import load_matching_weights

    with pytest.raises(InputError, match="no weights to begin from"):
        load_matching_weights(torch.nn.Linear(1, 1), tmp_path / "unet")
