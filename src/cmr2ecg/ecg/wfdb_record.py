"""Read a 12-lead ECG from a WFDB record: a text header (.hea) and the signal files it names, in one folder.

Only records of one segment in the plain (not compressed) formats are read. The given header file
is read, whatever record name it contains.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmr2ecg.ecg.recording import LEAD_KEYS, Ecg, check_resolution, stack_leads
from cmr2ecg.ecg.wfdb_header import MAX_SAMPLES, Scale, Signal, parse_header
from cmr2ecg.ecg.wfdb_signals import INVALID, decode, samples_in
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection

MAX_HEADER_BYTES = 64_000  # a real one has 1 kB
MAX_SIGNAL_BYTES = 50_000_000  # of 10 s 120 kB, of half an hour 11 MB


def read_wfdb(path: Path | str) -> Ecg:
    """Read the twelve leads of the record whose header is `path`, in any order and case.

    Rate, unit and gain must be in the header, and each lead's checksum must be right. A missing number of
    samples is taken from the files. Signals other than the leads may have any unit and rate.

    Raises:
        Rejection: if the record cannot be read as such; `reason` is one of a few fixed phrases.
    """
    path = Path(path)
    rate, samples, signals = parse_header(read_plain(path, MAX_HEADER_BYTES), path.stem)
    names = [signal.lead for signal in signals if signal.lead in LEAD_KEYS]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Rejection("duplicate lead", " ".join(sorted(twice)))
    if not names:
        raise Rejection("missing lead", "no lead has a known name")
    scales = [signal.scale for signal in signals if signal.scale]
    resolution = max(1000 * scale.mv_per_unit / scale.gain for scale in scales)
    check_resolution(resolution)
    leads: dict[str, np.ndarray] = {}
    for file in sorted({signal.file for signal in signals if signal.scale}):
        together = [signal for signal in signals if signal.file == file]
        leads |= _leads(read_plain(_beside(path, file), MAX_SIGNAL_BYTES), together, samples)
    signal, missing = stack_leads(leads)
    return Ecg(signal, rate, resolution, missing)


def _beside(header: Path, name: str) -> Path:
    """Return the path of a signal file, with its extension in the other case if only that exists.

    Disks that ignore case may have changed X.dat into X.DAT or the reverse.
    """
    path = header.with_name(name)
    if os.path.lexists(path):
        return path
    other = path.with_suffix(path.suffix.upper() if path.suffix.islower() else path.suffix.lower())
    return other if os.path.lexists(other) else path


def _leads(content: bytes, signals: Sequence[Signal], samples: int | None) -> dict[str, np.ndarray]:
    """Return the leads (samples,) in mV of one file with all of `signals`; NaN where there is no sample.

    Raises:
        Rejection: the file holds fewer samples, more than are allowed, or a sum that differs from its checksum.
    """
    form, offset = signals[0].form, signals[0].offset
    if any((signal.form, signal.offset) != (form, offset) for signal in signals):
        raise Rejection("unknown WFDB format", "two formats in one file")
    columns = np.cumsum([0, *(signal.per_frame for signal in signals)])
    width = int(columns[-1])
    there = samples_in(max(0, len(content) - offset), form) // width
    frames = there if samples is None else samples
    if not 0 < frames <= there:
        raise Rejection("sample count differs from the header", f"{there} of {frames}")
    if frames > MAX_SAMPLES:
        raise Rejection("file too large", f"{frames} samples per lead")
    counts = decode(content, form, offset, frames, width)
    return {
        signal.lead: _in_mv(counts[:, column], form, signal.skew, signal.scale)
        for signal, column in zip(signals, columns, strict=False)
        if signal.scale
    }


def _in_mv(counts: np.ndarray, form: int, skew: int, scale: Scale) -> np.ndarray:
    """Return one lead (samples,) in mV, shifted forward by its skew."""
    if form == 8:
        counts = scale.initial + counts.cumsum(dtype=np.int64)
    if (int(counts.sum(dtype=np.int64)) - scale.checksum) % 65536:
        raise Rejection("checksum is wrong")
    mv = (counts.astype(np.float64) - scale.baseline) / scale.gain * scale.mv_per_unit
    if form in INVALID:
        mv[counts == INVALID[form]] = np.nan
    if skew:
        mv = np.concatenate([mv[skew:], np.full(min(skew, mv.size), np.nan)])
    return mv
