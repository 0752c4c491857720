"""A user's ECG files, read and cleaned by the pipeline's own code, in processes that load nothing else."""

import io
from pathlib import Path

import numpy as np

from cmr2ecg.data.clean import clean_ecg
from cmr2ecg.data.prepare_ecg import prepare
from cmr2ecg.predict.records import BARE, Record, Source
from cmr2ecg.ukb.ecg_file import read_ecg
from cmr2ecg.ukb.plain_file import read_plain
from cmr2ecg.ukb.recording import LEAD_KEYS, LEADS, MAX_SAMPLES, Ecg, check_rate, lead_key, stack_leads
from cmr2ecg.ukb.rejection import Rejection

MAX_BYTES = 50_000_000
RESOLUTION_UV = 5.0  # taken for bare files, which do not state it: one count of a CardioSoft device
MV_OF_UNIT = {"mV": 1.0, "uV": 1e-3}


def read(path: Path, source: Source) -> Record:
    """Return a file's ECG, cleaned, or the reason why it cannot be used."""
    settings = source.clean_ecg
    sizes = {key: settings[key] for key in ("sampling_rate_hz", "samples", "quality")}
    try:
        ecg = read_bare(path, source) if path.suffix.lower() in BARE else read_ecg(path)
        signal, measures = prepare(ecg, **sizes)
        cleaned = clean_ecg(signal, clip_std=settings["clip_std"], **settings["baseline"])
    except Rejection as error:
        return Record(path, reason=f"{error.reason}: {error.detail}" if error.detail else error.reason)
    except Exception as error:  # whatever is wrong with one file, the others go on
        return Record(path, reason=f"unexpected {type(error).__name__}")
    kept = signal.astype(np.float32) if source.keep_signal else None
    return Record(path, cleaned.astype(np.float32), kept, str(measures["heart_rate_bpm"]), measures["repairs"])


def read_bare(path: Path, source: Source) -> Ecg:
    """Read a csv or npy of 12 x samples or samples x 12, leads in the order of LEADS; a csv may name them.

    Raises:
        Rejection: if it is something else.
    """
    if source.rate_hz is None:
        raise Rejection("unknown sampling rate")
    check_rate(source.rate_hz)
    content = read_plain(path, MAX_BYTES)
    signal, missing = _from_npy(content) if path.suffix.lower() == ".npy" else _from_csv(content)
    if signal.shape[1] > MAX_SAMPLES:
        raise Rejection("record too long", f"{signal.shape[1]} samples")
    if np.isinf(signal).any():
        raise Rejection("not a number", "infinite value")
    return Ecg(signal * MV_OF_UNIT[source.unit or "mV"], source.rate_hz, RESOLUTION_UV, missing)


def _from_npy(content: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
        return _upright(np.asarray(values, np.float64)), ()
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise Rejection("not an array of numbers") from error


def _from_csv(content: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        text = content.decode("utf-8-sig")
        first, _, rest = text.partition("\n")
        mark = max(",;\t", key=first.count)
        names = [lead_key(name.strip().strip('"')) for name in first.split(mark)]
        named = len(LEAD_KEYS & set(names)) > 1
        if not text.strip():
            raise Rejection("empty file")
        values = np.genfromtxt(
            io.StringIO(rest if named else text), delimiter=mark, dtype=np.float64, invalid_raise=True
        )
    except ValueError as error:
        raise Rejection("not an array of numbers") from error
    if not named:
        return _upright(values), ()
    if values.ndim != 2 or values.shape[1] != len(names) or len(set(names)) != len(names):
        raise Rejection("not one column for each lead")
    return stack_leads(dict(zip(names, values.T, strict=True)))


def _upright(values: np.ndarray) -> np.ndarray:
    if values.ndim != 2 or len(LEADS) not in values.shape:
        raise Rejection("not 12 leads", " x ".join(map(str, values.shape)))
    return values if values.shape[0] == len(LEADS) else values.T
