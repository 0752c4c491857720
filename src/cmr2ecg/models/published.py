"""Encoders from weight files of elsewhere, such as the authors' `signal_encoder_*.pth` and `image_encoder_*.pth`.

A .pth is a pickle, which could run any code. torch's restricted unpickler reads it: tensors and plain values, and
argparse.Namespace (a masked autoencoder's checkpoint keeps its command line so), nothing else.

ECG files hold timm's names, under "model" or "state_dict", perhaps with a prefix, a decoder and a head; image files
hold `encoder_imaging.N.*`, a ResNet's children by number.
"""

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.runtime.command import InputError

WRAPPERS = ("model", "state_dict")
ECG_ANCHOR = "patch_embed.proj.weight"
NOT_ECG = re.compile(r"(decoder|mask_token|head\.|fc_norm\.|attention_pool|projector|norm_pix)")  # after the prefix
CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
NOT_IMAGE = re.compile(r"(fc\.|head\.|projector|9\.)")
MAY_BE_MISSING = re.compile(r"norm\.|.*num_batches_tracked$")  # a norm that starts as none; a counter
INSIDE = re.compile(r"(blocks|layer\d+)\.(\d+)\.")  # parts whose number and kind make the network what it is
MAX_TOKENS = 120_000
SHOWN = 8  # names in a message


@dataclass(frozen=True)
class Imported:
    """An encoder's state under our names, and what was done to get it.

    unexpected: names that belong to no part of the encoder; dropped: decoder, head and projector; missing: names that
    keep their start; interpolated: from and to how many patches in time, or None.
    """

    state: dict[str, Tensor]
    unexpected: list[str]
    dropped: list[str]
    missing: list[str]
    interpolated: tuple[int, int] | None = None

    def report(self) -> dict:
        """Return what was done as a JSON value."""
        about = {key: getattr(self, key) for key in ("unexpected", "dropped", "missing")}
        return about | {"interpolated": self.interpolated, "tensors": len(self.state)}


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors by name of a .pth or .safetensors file, without what is wrapped around them.

    Raises:
        InputError: if the file is damaged, holds another kind of object, or no tensors.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a readable file of weights, but a folder or a pipe")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            whole = load_file(path) if path.suffix == ".safetensors" else _read_pth(path)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it holds {found[1]}" if found else "it is no file of tensors"
        raise InputError(f"{path}: refused: {what}; only tensors and plain values are read") from error
    except (FileNotFoundError, InputError):
        raise
    except Exception as error:  # a damaged file can make the readers raise anything
        raise InputError(
            f"{path}: not a readable file of weights, perhaps cut short ({type(error).__name__})"
        ) from error
    for name in WRAPPERS:
        if isinstance(whole, Mapping) and isinstance(whole.get(name), Mapping):
            whole = whole[name]
            break
    state = (
        {k: v for k, v in whole.items() if isinstance(k, str) and isinstance(v, Tensor)}
        if isinstance(whole, Mapping)
        else {}
    )
    if not state:
        raise InputError(f"{path}: holds no weights by name")
    return state


def _read_pth(path: Path) -> object:
    if zipfile.is_zipfile(path):  # as torch writes it: nothing is compressed, and no part stands for two
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
        packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
        if packed or sum(part.file_size for part in parts) > path.stat().st_size:
            raise InputError(f"{path}: refused: it is larger unpacked than torch writes files")
    return torch.load(path, map_location="cpu", weights_only=True)


def import_ecg(state: Mapping[str, Tensor], encoder: EcgEncoder, source: str) -> Imported:
    """Return an ECG encoder's state from a file's, its position embedding at this encoder's length.

    Args:
        state: of the file.
        encoder: of the size wanted; its own weights stand in for a norm that is missing.
        source: of the state, for messages.

    Raises:
        InputError: if weights are missing or of another size; lists them.
    """
    anchors = [key for key in state if key.endswith(ECG_ANCHOR) and "decoder" not in key]
    if len(anchors) != 1:
        raise InputError(f"{source}: {len(anchors)} tensors are named {ECG_ANCHOR}; an ECG encoder has one")
    prefix = anchors[0].removesuffix(ECG_ANCHOR)
    named = {key.removeprefix(prefix) if key.startswith(prefix) else key: value for key, value in state.items()}
    times = None
    check_plain(named, encoder, source)
    if "pos_embed" in named and named["pos_embed"].ndim == 3 and named["pos_embed"].shape != encoder.pos_embed.shape:
        named["pos_embed"], times = stretch(named["pos_embed"], encoder, source)
    return _match(named, encoder, NOT_ECG, source, times)


def stretch(embedding: Tensor, encoder: EcgEncoder, source: str) -> tuple[Tensor, tuple[int, int]]:
    """Return a position embedding (1, 1 + leads * times, dim) at the encoder's number of times, and both numbers.

    Each lead's row is interpolated linearly in time; the class token's stays.

    Raises:
        InputError: if it has other leads or another width.
    """
    (leads, times), dim = encoder.grid, encoder.embed_dim
    tokens = embedding.shape[1] - 1
    fits = embedding.shape[0] == 1 and embedding.shape[2] == dim and tokens >= leads and tokens % leads == 0
    if not fits or tokens > MAX_TOKENS:
        wanted = tuple(encoder.pos_embed.shape)
        raise InputError(
            f"{source}: pos_embed is {tuple(embedding.shape)}, expected {wanted}; check models.ecg_encoder"
        )
    grid = embedding[0, 1:].float().unflatten(0, (leads, tokens // leads)).transpose(1, 2)
    grid = interpolate(grid, size=times, mode="linear", align_corners=False)
    patches = grid.transpose(1, 2).flatten(0, 1)[None]
    return torch.cat([embedding[:, :1].float(), patches], dim=1), (tokens // leads, times)


def import_image(state: Mapping[str, Tensor], encoder: nn.Module, source: str) -> Imported:
    """Return an image encoder's state from a file's, whose ResNet's parts have names or numbers.

    Raises:
        InputError: if weights are missing or of another size; lists them.
    """
    prefix = next(
        (p for p in ("encoder_imaging.", "encoder.", "module.", "") if any(k.startswith(p) for k in state)), ""
    )
    named = {}
    for key, value in state.items():
        if not key.startswith(prefix):
            named[key] = value
            continue
        number, _, rest = key.removeprefix(prefix).partition(".")
        named[f"{CHILDREN[number]}.{rest}" if number in CHILDREN else key.removeprefix(prefix)] = value
    check_plain(named, encoder, source)
    return _match(named, encoder, NOT_IMAGE, source)


def check_plain(named: Mapping[str, Tensor], encoder: nn.Module, source: str) -> None:
    """Hold the weights that are wanted against what can be read without loss: plain real numbers in memory.

    Raises:
        InputError: names the first other tensor: complex, sparse, quantized, nested, without content, or whole
            numbers, which only a scale of their own would turn into weights.
    """
    for key, wanted in encoder.state_dict().items():
        value = named.get(key)
        if value is None:
            continue
        kinds = {
            "complex": value.is_complex(),
            "nested": value.is_nested,
            "sparse": value.layout is not torch.strided,
            "quantized": value.is_quantized,
            "without content": value.is_meta,
            f"of {value.dtype}": wanted.is_floating_point() != value.is_floating_point(),
        }
        odd = next((kind for kind, found in kinds.items() if found), None)
        if odd:
            raise InputError(f"{source}: {key} is {odd}; expected plain numbers as {wanted.dtype}")


def _match(
    named: Mapping[str, Tensor],
    encoder: nn.Module,
    others: re.Pattern,
    source: str,
    interpolated: tuple[int, int] | None = None,
) -> Imported:
    wanted = encoder.state_dict()
    dropped = sorted(key for key in named if key not in wanted and others.match(key))
    unexpected = sorted(set(named) - set(wanted) - set(dropped))
    missing = sorted(set(wanted) - set(named))
    fatal = [key for key in missing if not MAY_BE_MISSING.match(key)]
    if fatal:
        raise InputError(
            f"{source}: {len(fatal)} weights are missing ({_listed(fatal)}) and {len(unexpected)} unexpected"
            f"{f' ({_listed(unexpected)})' if unexpected else ''}; is it this encoder, and models of its size?"
        )
    more = [key for key in unexpected if INSIDE.match(key)]
    if more:
        raise InputError(
            f"{source}: {len(more)} weights have no place in this encoder ({_listed(more)}); it is deeper or of "
            "another kind: check the sizes in config models"
        )
    for key, value in wanted.items():
        if key in named and named[key].shape != value.shape:
            sizes = f"{tuple(named[key].shape)}, expected {tuple(value.shape)}"
            raise InputError(f"{source}: {key} is {sizes}; check the sizes in config models")
    state = {key: named.get(key, value).detach().to(value.dtype).clone() for key, value in wanted.items()}
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise InputError(f"{source}: holds numbers that are not finite ({_listed(broken)})")
    return Imported(state, unexpected, dropped, missing, interpolated)


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
