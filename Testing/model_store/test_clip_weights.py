"""OpenAI's weights of CLIP: from the published file alone, from the hub's cache, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from Xray2MRILib.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from Xray2MRILib.files.checksums import sha256_of  # noqa: E402
from Xray2MRILib.model_store import clip_weights  # noqa: E402
from Xray2MRILib.models.clip_tower import build_clip_tower, has_published_size  # noqa: E402


class Whole(torch.nn.Module):
    """As the published archive: the image tower beside something of the text's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.visual = build_clip_tower(64, 1, 16)
        self.positional_embedding = torch.nn.Parameter(torch.zeros(4))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.visual(image) + self.positional_embedding.sum()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive of the published file's kind, in half precision."""
    file = tmp_path_factory.mktemp("clip") / "ViT-L-14.pt"
    traced = torch.jit.trace(Whole().eval(), torch.zeros(1, 3, 224, 224), check_trace=False)
    traced.half().save(file)
    return file


def small_tower() -> torch.nn.Module:
    torch.manual_seed(4)
    return build_clip_tower(64, 1, 16)


def test_the_published_file_fills_the_tower(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_weights, "SHA256", sha256_of(published))
    tower, expected = small_tower(), Whole().visual.state_dict()
    assert clip_weights.load_clip_weights(tower, published) == sha256_of(published)
    for name, tensor in tower.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected[name].half().float()), name
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_a_file_with_another_checksum_is_never_opened(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("was opened"))
    with pytest.raises(InputError, match=r"ViT-L-14.pt is not the published ViT-L-14.pt: its SHA256") as refused:
        clip_weights.load_clip_weights(small_tower(), published)
    assert (refused.value.code, refused.value.field) == ("other-clip-weights", "clip_weights")


def test_the_caches(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip's own cache first, then the hub's copy, whose name in the cache is its checksum."""
    import huggingface_hub
    from safetensors.torch import save_file

    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(InputError, match=r"not on this machine: neither ViT-L-14\.pt nor") as refused:
        clip_weights.load_clip_weights(small_tower())
    assert refused.value.code == "no-clip-weights"

    state = {f"visual.{name}": tensor for name, tensor in Whole().visual.state_dict().items()}
    save_file(state | {"logit_scale": torch.zeros(1)}, tmp_path / "draft")
    blob, link = tmp_path / sha256_of(tmp_path / "draft"), tmp_path / "open_clip_model.safetensors"
    (tmp_path / "draft").rename(blob)
    link.symlink_to(blob)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(link))
    tower = small_tower()
    assert clip_weights.load_clip_weights(tower) == blob.name
    assert torch.equal(tower.proj, state["visual.proj"])
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="is not the published"):
        clip_weights.load_clip_weights(small_tower())

    own = tmp_path / ".cache" / "clip" / "ViT-L-14.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(published.read_bytes())
    monkeypatch.setattr(clip_weights, "SHA256", sha256_of(published))
    assert clip_weights.load_clip_weights(small_tower()) == sha256_of(published)


def test_weights_of_another_tower_are_refused(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_weights, "SHA256", sha256_of(published))
    with pytest.raises(InputError, match="its tensors do not fit the tower"):
        clip_weights.load_clip_weights(build_clip_tower(64, 2, 16), published)
    assert not has_published_size(small_tower())


def test_training_the_full_size_without_weights_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the size alone; the recipe names a file that is not there."""
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training import diffusion
    from Xray2MRILib.training.denoising_loss import Denoiser
    from Xray2MRILib.training.recipe_files import chosen_recipe
    from Xray2MRILib.training.recipes.diffusion import DiffusionRecipe

    monkeypatch.setattr(diffusion, "has_published_size", lambda _: True)
    small = {"token_encoder": "clip", "clip_width": 64, "clip_layers": 1, "clip_embedding": 12}
    parts = build_components("tiny", radiograph_encoder=small)
    network = Denoiser(parts["unet"], parts["radiograph_encoder"])
    file = tmp_path / "ViT-L-14.pt"
    recipe = DiffusionRecipe.from_json(chosen_recipe("diffusion") | {"clip_weights": str(file)})
    with pytest.raises(InputError, match=r"not on this machine: there is no ViT-L-14\.pt"):
        diffusion._begin(network, recipe)
