"""A user's ECG files, read and cleaned by the pipeline's code, in processes that load nothing else."""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np

from cmr2ecg.ecg.clean import clean_ecg
from cmr2ecg.ecg.prepare import prepare
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.ecg.recording import MAX_SAMPLES, Ecg, check_rate
from cmr2ecg.predict.bare import from_csv, from_npy
from cmr2ecg.predict.records import BARE, Record, Source
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection

if TYPE_CHECKING:  # `cmr2ecg predict` runs without pydantic
    from cmr2ecg.study.settings.recordings import Quality

MAX_BYTES = 50_000_000
RESOLUTION_UV = 5.0  # assumed for bare files, which do not state it: one count of a CardioSoft device


def read(path: Path, source: Source) -> Record:
    """Return a file's ECG, cleaned, or the reason why it cannot be used."""
    bare = path.suffix.lower() in BARE
    return _cleaned(path, lambda: read_bare(path, source) if bare else read_ecg(path), source)


def record_of_array(ecg: np.ndarray, source: Source) -> Record:
    """Return an ECG (12, samples) in `source.unit`, cleaned, or the reason why it cannot be used."""

    def content() -> Ecg:
        with io.BytesIO() as buffer:
            np.save(buffer, ecg, allow_pickle=False)
            return bare_ecg(buffer.getvalue(), ".npy", source)

    return _cleaned(Path("array"), content, source)


def _cleaned(path: Path, load: Callable[[], Ecg], source: Source) -> Record:
    settings = source.clean_ecg
    sizes = {key: settings[key] for key in ("sampling_rate_hz", "samples")}
    quality = cast("Quality", SimpleNamespace(**settings["quality"]))  # the section itself needs pydantic
    try:
        signal, measures = prepare(load(), **sizes, quality=quality)
        cleaned = clean_ecg(signal, clip_std=settings["clip_std"], **settings["baseline"])
    except Rejection as error:
        return Record(path, reason=f"{error.reason}: {error.detail}" if error.detail else error.reason)
    except ImportError:  # an error of the installation, not of the file
        raise
    except Exception as error:  # an error in one file must not stop the others
        return Record(path, reason=f"unexpected {type(error).__name__}")
    kept = signal.astype(np.float32) if source.keep_signal else None
    return Record(path, cleaned.astype(np.float32), kept, str(measures["heart_rate_bpm"]), measures["repairs"])


def read_bare(path: Path, source: Source) -> Ecg:
    """Read a csv or npy of 12 x samples or samples x 12, see bare.py.

    Raises:
        Rejection: if it is something else.
    """
    return bare_ecg(read_plain(path, MAX_BYTES), path.suffix.lower(), source)


def bare_ecg(content: bytes, kind: str, source: Source) -> Ecg:
    """Return the ECG in the content of a ".csv" or ".npy" file.

    Raises:
        Rejection: if it is something else.
    """
    if source.rate_hz is None:
        raise Rejection("unknown sampling rate")
    check_rate(source.rate_hz)
    with np.errstate(all="ignore"):  # infinite and implausible numbers are checked below
        if kind == ".npy":
            signal, missing = from_npy(content, source.unit)
        else:
            signal, missing = from_csv(content, source.rate_hz, source.unit)
    if signal.shape[1] > MAX_SAMPLES:
        raise Rejection("record too long", f"{signal.shape[1]} samples")
    if np.isinf(signal).any():
        raise Rejection("not a number", "infinite value")
    return Ecg(signal, source.rate_hz, RESOLUTION_UV, missing)
