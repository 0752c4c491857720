"""Features without any learned encoder, for linear probes: what a network has to beat, and what there is to be had.

- `ecg_beats`: the mean beat of each ECG and its rhythm.
- `rr_intervals`: how regularly the heart beats, without any shape.
- `cmr_pixels`: the heart image on a coarse grid.
- `latents`: what the ECG of a synthetic subject sees of the planted state, the ceiling of any model of the ECG.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cmr2ecg.ecg.beats import find_beats
from cmr2ecg.loading.labels import rows_for
from cmr2ecg.loading.paired_data import PairedData, in_turn

PLAIN = ("ecg_beats", "rr_intervals", "cmr_pixels", "latents")
BEFORE_S, AFTER_S = 0.25, 0.45  # of a beat, around the R peak
BEAT_SAMPLES = 70  # of a lead's mean beat, whatever the sampling rate
RR_FEATURES = 9
GRID = 24  # pixels a side
BATCH = 256
PLANTED = ("z_ecg_", "ecg_")  # columns of truth.parquet that describe the heart as the ECG sees it


def mean_beat(ecg: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the mean beat of each lead (leads x BEAT_SAMPLES,), mean and spread of the RR interval in s, and beats.

    Zeros stand for what an ECG without two whole beats does not have.

    Args:
        ecg: (leads, samples), cleaned.
        rate_hz: samples a second.
    """
    beats = find_beats(ecg, rate_hz)
    grid = np.linspace(-BEFORE_S, AFTER_S, BEAT_SAMPLES) * rate_hz
    whole = beats[(beats + grid[0] >= 0) & (beats + grid[-1] <= ecg.shape[1] - 1)]
    if len(whole) < 2:
        return np.zeros(len(ecg) * BEAT_SAMPLES + 3)
    moments = np.arange(ecg.shape[1])
    mean = np.mean([[np.interp(beat + grid, moments, lead) for lead in ecg] for beat in whole], axis=0)
    intervals = np.diff(beats) / rate_hz
    return np.concatenate([mean.ravel(), [intervals.mean(), intervals.std(), len(beats)]])


def beats_of(data: PairedData, rate_hz: float) -> np.ndarray:
    """Return `mean_beat` of every subject's whole record, (n, leads x BEAT_SAMPLES + 3)."""
    return np.stack([mean_beat(ecg, rate_hz) for batch in _batches(data) for ecg in batch["ecg"].double().numpy()])


def rr_features(ecg: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return RR_FEATURES numbers on the intervals between the beats of an ECG; zeros for fewer than four beats.

    Beats a second; mean, standard deviation and root mean square of successive differences (RMSSD) of the intervals in
    s; the last two over the mean; shortest and longest over the mean; and the share of successive differences above 50
    ms (pNN50). Definitions: Task Force of the ESC and NASPE, European Heart Journal 17 (1996) 354-381.

    Args:
        ecg: (leads, samples), cleaned.
        rate_hz: samples a second.
    """
    beats = find_beats(ecg, rate_hz)
    if len(beats) < 4:
        return np.zeros(RR_FEATURES)
    intervals = np.diff(beats) / rate_hz
    steps, mean = np.diff(intervals), intervals.mean()
    spread, rmssd = intervals.std(), np.sqrt(np.square(steps).mean())
    relative = np.array([spread, rmssd, intervals.min(), intervals.max()]) / mean
    return np.array(
        [len(beats) * rate_hz / ecg.shape[1], mean, spread, rmssd, *relative, (np.abs(steps) > 0.05).mean()]
    )


def intervals_of(data: PairedData, rate_hz: float) -> np.ndarray:
    """Return `rr_features` of every subject's whole record, (n, RR_FEATURES)."""
    return np.stack([rr_features(ecg, rate_hz) for batch in _batches(data) for ecg in batch["ecg"].double().numpy()])


def pixels_of(data: PairedData) -> np.ndarray:
    """Return every subject's image averaged to GRID x GRID, (n, channels x GRID x GRID)."""
    size = (GRID, GRID)
    small = [interpolate(batch["cmr"].float(), size=size, mode="bilinear", antialias=True) for batch in _batches(data)]
    return torch.cat(small).flatten(1).double().numpy()


def latents_of(truth: Path, eids: np.ndarray) -> np.ndarray:
    """Return what the ECG sees of the latents, and the heart that follows, (n, features); angles as sine and cosine.

    Raises:
        InputError: if a subject is not in the table.
    """
    table = rows_for(truth, eids)
    planted = table[[name for name in table if str(name).startswith(PLANTED)]].astype(float)
    angle = planted.pop("ecg_territory").to_numpy()
    # a damaged wall shows where it lies, as far as it is damaged
    damage = planted["ecg_ischaemia"].to_numpy()
    return np.column_stack([planted.to_numpy(), damage * np.cos(angle), damage * np.sin(angle)])


def _batches(data: PairedData) -> Iterator[dict[str, Tensor]]:
    return data.batches(in_turn(len(data), BATCH))
