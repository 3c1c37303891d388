"""The folder of an enhancement network: its configuration with float16 or eight-bit weights, and their checksums."""

from __future__ import annotations

from pathlib import Path

from ..errors import ProcessingError
from ..files.checksums import read_model_json, verify_checksums, write_checksums
from ..files.json_files import write_json
from ..models import eight_bit_weights
from ..models.network import CONFIG_FILE
from .enhancement_network import EnhancementUNet


def save_network_folder(network: EnhancementUNet, folder: Path, *, eight_bit: bool = False) -> None:
    """Write ``folder``, with weights in float16 or in eight bits (half of the size)."""
    if not eight_bit:
        network.save_pretrained(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / CONFIG_FILE, {"_class_name": type(network).__name__, **network.config})
    eight_bit_weights.save_eight_bits(network.state_dict(), folder)
    write_checksums(folder, (CONFIG_FILE, eight_bit_weights.FILE))


def load_network_folder(folder: Path) -> EnhancementUNet:
    """The network of a folder in float32, for evaluation, after its checksums were compared.

    Raises ProcessingError for missing or altered files and for another network, InputError for pickled weights.
    """
    if not (folder / eight_bit_weights.FILE).is_file():
        return EnhancementUNet.from_pretrained(folder)
    digests = verify_checksums(folder, (CONFIG_FILE, eight_bit_weights.FILE))
    config = read_model_json(folder, CONFIG_FILE)
    from safetensors import SafetensorError

    try:
        if config.pop("_class_name", "") != EnhancementUNet.__name__:
            raise ValueError("another class")
        network = EnhancementUNet(**config)
        network.load_state_dict(eight_bit_weights.load_eight_bits(folder))
    except (OSError, SafetensorError, TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ProcessingError(
            f"The folder {folder.name} does not contain a {EnhancementUNet.title}.",
            code="other-model",
            hint=EnhancementUNet.hint,
        ) from error
    network.weights_sha256 = digests[eight_bit_weights.FILE]
    return network.eval()
