"""Preparation of the radiograph for CLIP and the autoencoder, against independent calculations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from Xray2MRILib.errors import InputError
from Xray2MRILib.model_store.assembly import build_components
from Xray2MRILib.models.autoencoder import encode_images
from Xray2MRILib.models.radiograph_encoder import (
    RadiographEncoder,
    clip_preprocess,
    local_normalisation,
    place_in_field,
)
from Xray2MRILib.models.radiograph_features import RadiographFeatures


def cubic(x: float, a: float = -0.75) -> float:
    """Keys' kernel with torch's coefficient."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def bicubic_matrix(size_out: int, size_in: int) -> np.ndarray:
    """Weights of a bicubic resampling with aligned corners and no antialiasing."""
    matrix = np.zeros((size_out, size_in))
    for row in range(size_out):
        place = row * (size_in - 1) / (size_out - 1)
        for tap in range(math.floor(place) - 1, math.floor(place) + 3):
            matrix[row, min(max(tap, 0), size_in - 1)] += cubic(place - tap)
    return matrix


def test_clip_input_is_bicubic_with_aligned_corners_and_clip_statistics():
    image = np.random.default_rng(0).uniform(-1, 1, (256, 256))
    resample = bicubic_matrix(224, 256)
    grey = (resample @ image @ resample.T + 1) / 2
    expected = np.stack(
        [
            (grey - mean) / std
            for mean, std in zip((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), strict=True)
        ]
    )
    found = clip_preprocess(torch.tensor(image)[None, None])[0].numpy()
    assert found.shape == (3, 224, 224)
    assert np.allclose(found, expected, atol=1e-4)


def test_local_normalisation_equals_scipy():
    image = np.random.default_rng(1).uniform(-1, 1, (64, 64))
    # truncate as many sigmas as the kernel reaches: 3 sigma = 15 px
    blur = lambda picture: gaussian_filter(picture, 5.0, mode="nearest", radius=15)  # noqa: E731
    mean = blur(image)
    expected = 0.5 * (image - mean) / (np.sqrt(blur(image**2) - mean**2) + 0.1)
    found = local_normalisation(torch.tensor(image, dtype=torch.float32)[None, None], 5.0)[0, 0].numpy()
    assert np.allclose(found, np.clip(expected, -1, 1), atol=1e-4)


def test_local_normalisation_takes_exposure_away():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 64, 64, generator=generator) * 2 - 1
    darker = local_normalisation(0.7 * image - 0.3, 10.0)
    assert (darker - local_normalisation(image, 10.0)).abs().mean() < 0.05


def test_the_crop_lies_at_its_nominal_place_in_the_field():
    view = place_in_field(torch.ones(1, 1, 256, 256), span_px=131, centre=(151, 128))[0, 0]
    rows, columns = torch.nonzero(view.amax(1))[:, 0], torch.nonzero(view.amax(0))[:, 0]
    assert (int(rows[0]), int(rows[-1])) == (86, 216)
    assert (int(columns[0]), int(columns[-1])) == (62, 192)
    assert torch.allclose(view[86:217, 62:193], torch.ones(131, 131))
    with pytest.raises(ValueError, match="exceeds the"):
        place_in_field(torch.ones(1, 1, 256, 256), span_px=131, centre=(220, 128))


def test_a_model_in_the_former_frame_keeps_it(tmp_path):
    """Folders hold the numbers of their frame; those written before the crop spanned 91 mm say 82 mm and row 151."""
    former = {"span_mm": 82.0, "field_mm": 160.0, "centre_row": 151.0, "centre_column": 128.0}
    RadiographEncoder(token_encoder="none", **former).save_pretrained(tmp_path)
    loaded = RadiographEncoder.from_pretrained(tmp_path)
    assert {name: loaded.config[name] for name in former} == former
    view = loaded.autoencoder_view(torch.ones(1, 1, 256, 256) * torch.linspace(-1, 1, 256))[0, 0]
    rows = torch.nonzero(view.abs().amax(1))[:, 0]
    assert (int(rows[0]), int(rows[-1])) == (86, 216)  # 131 px about row 151
    RadiographEncoder(token_encoder="none").save_pretrained(tmp_path)
    assert RadiographEncoder.from_pretrained(tmp_path).config.span_mm == 91.0


@torch.no_grad()
def test_conditions_of_the_tiny_preset_have_their_shapes():
    parts = build_components("tiny")
    image = torch.rand(2, 1, 256, 256) * 2 - 1
    encoder = parts["radiograph_encoder"]
    latent = encoder.latent(parts["autoencoder"], image)
    assert latent.shape == (2, 4 + 8, 32, 32)
    assert torch.equal(latent[:, :4], encoder.autoencoder_latent(parts["autoencoder"], image))
    assert encoder.token(image).shape == (2, 16, 8)
    assert torch.equal(encoder(image), encoder.token(image))


@torch.no_grad()
def test_features_and_tokens_in_one_pass_equal_those_asked_for_singly():
    parts = build_components("tiny")
    image = torch.rand(2, 1, 256, 256) * 2 - 1
    encoder = parts["radiograph_encoder"].eval()
    latent, token = encoder.trained_conditions(torch.zeros(2, 4, 32, 32), encoder.normalised(image))
    torch.testing.assert_close(latent[:, 4:], encoder.latent(parts["autoencoder"], image)[:, 4:])
    torch.testing.assert_close(token, encoder.token(image))


def test_features_stand_where_the_crop_is_laid_into_the_field():
    """A peak at one place of the crop's map must come to the same millimetre of the field, and nothing outside."""
    network = RadiographFeatures(8, 8, span_px=128, centre=(140.0, 120.0), token_width=8, token_grid=4)
    crop_map = torch.zeros(1, 1, 16, 16)
    crop_map[0, 0, 3, 10] = 1  # its centre: (3.5, 10.5) / 16 of the crop = (28, 84) px from the crop's corner
    field = network.in_field(crop_map)[0, 0]
    row, column = 140 - 64 + 28, 120 - 64 + 84
    weights = field / field.sum()
    places = (torch.arange(32) + 0.5) * 8
    assert abs(float((weights.sum(1) * places).sum()) - row) < 0.01
    assert abs(float((weights.sum(0) * places).sum()) - column) < 0.01
    ones = network.in_field(torch.ones(1, 1, 16, 16))[0, 0]
    assert torch.equal(ones[:9], torch.zeros(9, 32))  # rows above 72 px; the crop begins at 76
    assert torch.equal(ones[10:25, 8:22], torch.ones(15, 14))


@torch.no_grad()
def test_at_half_the_resolution_the_same_places_are_twice_as_wide():
    """A quarter of the latent's places, each with the features of the four that it covers; the view is averaged."""
    changes = {"slice_size": 128}
    torch.manual_seed(0)
    parts = build_components("tiny", radiograph_encoder=changes)
    encoder, vae = parts["radiograph_encoder"].eval(), parts["autoencoder"]
    image = torch.rand(2, 1, 256, 256) * 2 - 1
    latent = encoder.latent(vae, image)
    assert latent.shape == (2, 4 + 8, 16, 16)
    averaged = encoder.autoencoder_view(image).unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    torch.testing.assert_close(latent[:, :4], encode_images(vae, averaged, sample=False, scaled=False))
    slope = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)  # of a plane, the middle of two by two is their mean
    fine, coarse = (encoder.features.in_field(slope, places)[0, 0] for places in (32, 16))
    torch.testing.assert_close(coarse[10:12, 6:10], fine[20:24, 12:20].unfold(0, 2, 2).unfold(1, 2, 2).mean(dim=(2, 3)))
    assert torch.equal(encoder.token(image), encoder.trained_conditions(latent[:, :4], encoder.normalised(image))[1])
    for wrong in (100, 128.0, "half"):
        with pytest.raises(InputError, match="slice_size cannot be"):
            build_components("tiny", radiograph_encoder={"slice_size": wrong})


@torch.no_grad()
def test_paper_reading_encodes_the_crop_itself_unscaled():
    parts = build_components("tiny", autoencoder={"scaling_factor": 3.0})
    encoder = RadiographEncoder(token_encoder="none", field_placement=False, local_normalisation=False)
    image = torch.rand(1, 1, 256, 256) * 2 - 1
    assert torch.equal(encoder.autoencoder_view(image), image)
    vae = parts["autoencoder"]
    mode = vae.encode(torch.nn.functional.pixel_unshuffle(image, 2)).latent_dist.mode()
    assert torch.equal(encoder.latent(vae, image), mode)
    assert encoder.token(image) is None


@torch.no_grad()
def test_saved_and_loaded_encoder_is_the_same(tmp_path):
    encoder = build_components("tiny", radiograph_encoder={"radiograph_latent_scale": 0.7})["radiograph_encoder"]
    encoder.save_pretrained(tmp_path)
    loaded = RadiographEncoder.from_pretrained(tmp_path, use_safetensors=True)
    image = torch.rand(1, 1, 256, 256)
    assert torch.equal(loaded.eval().token(image), encoder.eval().token(image))
    assert loaded.config.radiograph_latent_scale == 0.7


def test_clip_tower_is_the_large_one_with_quick_gelu():
    open_clip = pytest.importorskip("open_clip")
    with torch.device("meta"):
        encoder = RadiographEncoder(token_encoder="clip", token_width=768)
    assert sum(parameter.numel() for parameter in encoder.clip_visual.parameters()) == 303_966_208
    kinds = {type(module) for module in encoder.clip_visual.modules()}
    assert open_clip.transformer.QuickGELU in kinds
    assert torch.nn.GELU not in kinds


def test_unknown_token_encoder_is_refused():
    with pytest.raises(ValueError, match="clip, convolutional, features or none"):
        RadiographEncoder(token_encoder="resnet")
