"""A release: the folder that `cmr2ecg predict` needs, and nothing else.

model.safetensors  every network: `embedding.NAME` of the pre-trained encoder, `TARGET.SEED.NAME` of each fit
model.onnx         the same fits in one graph, from a cleaned ECG to each seed's outputs
embedding.onnx     the pre-trained encoder, from a cleaned ECG to its embedding
config.json        sizes, cleaning, targets with units, calibration and intervals, provenance
README.md          the model card
SHA256SUMS         of the files above, as `sha256sum -c` reads it
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from cmr2ecg.predict.release_config import check_config
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import atomic, sha256

if TYPE_CHECKING:  # so that commands without torch do not import it
    from torch import Tensor

FORMAT = 2  # 2: calibration on outputs with label smoothing undone, which readers of 1 do not do
READABLE = (1, 2)
EMBEDDING = "embedding"
SUMS = "SHA256SUMS"
MAX_BYTES = 20_000_000  # of config.json or SHA256SUMS
KEYS = ("format", "name", "models", "clean_ecg", "targets")


@dataclass(frozen=True)
class Release:
    """Contents of a folder: its settings (config.json), and the weights of its networks by `key_of`."""

    config: Mapping[str, Any]
    weights: "Mapping[str, Tensor]"

    @property
    def name(self) -> str:
        """Return the release's name."""
        return self.config["name"]

    def state(self, network: str) -> "dict[str, Tensor]":
        """Return the state of one network, "embedding" or `key_of` of a fit, under its own parameter names."""
        return {key[len(network) + 1 :]: value for key, value in self.weights.items() if key.startswith(network + ".")}


def key_of(target: str, seed: int) -> str:
    """Return the prefix of one fit's weights."""
    return f"{target}.{seed}"


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json of a release.

    Raises:
        InputError: if the folder is not a release, or one of a later version.
    """
    path = folder / "config.json"
    if not path.exists():
        raise InputError(f"{folder} is not a release: it has no config.json; name a folder release/<name>")
    try:
        config = json.loads(read_plain(path.resolve(), MAX_BYTES).decode())
    except (OSError, ValueError, Rejection, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file; fetch the release again") from error
    absent = [key for key in KEYS if not isinstance(config, dict) or key not in config]
    if absent:
        raise InputError(f"{path}: {absent[0]} is missing; is this the config.json of a release?")
    if config["format"] not in READABLE:
        was = str(config["format"])[:20]
        raise InputError(f"{path}: format {was}; this version of cmr2ecg reads formats up to {FORMAT}")
    check_config(config, str(path))
    return config


def read_release(folder: Path) -> Release:
    """Return the release in a folder, its files verified against SHA256SUMS.

    Raises:
        InputError: if a file is missing, damaged or not the one that was released.
    """
    config = read_config(folder)
    check_sums(folder)
    path = folder / "model.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            return Release(config, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable safetensors file; fetch the release again") from error


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over every other file of the folder, without hidden ones: what a killed job left of a file."""
    files = (path.name for path in folder.iterdir() if path.is_file())
    names = sorted(name for name in files if name != SUMS and not name.startswith("."))
    with atomic(folder / SUMS) as partial:
        partial.write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in names))


def check_sums(folder: Path, names: Sequence[str] = ("config.json", "model.safetensors")) -> None:
    """Verify files, by default settings and weights, against SHA256SUMS; others may be absent.

    Raises:
        InputError: if one differs or is not listed.
    """
    try:
        lines = read_plain((folder / SUMS).resolve(), MAX_BYTES).decode().splitlines()
    except (OSError, ValueError, Rejection) as error:
        raise InputError(f"{folder} is not a release: it has no readable {SUMS}") from error
    wanted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in names:
        path = folder / name
        if not path.is_file():
            raise InputError(f"{folder} is not a complete release: it has no {name}")
        if wanted.get(name) != sha256(path):
            raise InputError(f"{path}: its SHA-256 is not the one in {SUMS}; fetch the release again")
