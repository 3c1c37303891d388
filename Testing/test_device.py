"""The device that PyTorch computes on, by the user's word."""

from __future__ import annotations

import pytest

from Xray2MRILib.device import choose_device
from Xray2MRILib.errors import InputError

torch = pytest.importorskip("torch")


def test_words_of_pytorch_are_taken_and_auto_is_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == "cpu"
    assert torch.empty(0, device=choose_device()).device.type == choose_device()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


@pytest.mark.parametrize("word", ["toaster", "", "meta", "cuda:99", "cpu:x", "cuda:-1"])
def test_absent_devices_are_refused_in_one_sentence_under_one_code(word: str) -> None:
    with pytest.raises(InputError, match=f"no device {word!r}") as caught:
        choose_device(word)
    assert caught.value.code == "no-such-device"
    assert "\n" not in caught.value.sentence()
    assert "--" not in caught.value.sentence()
