"""How fast the data steps are against the plain way of doing the same, in one process on one core."""

import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from scipy import sparse
from scipy.sparse.linalg import spsolve
from threadpoolctl import threadpool_limits

from cmr2ecg.data.clean import clean_ecg
from cmr2ecg.data.crop import crop_heart
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.ukb.short_axis import read_middle_slice

LAM, P, ITERATIONS = 1.0e7, 0.3, 5
SLICES, FRAMES, SIDE, SPACING_MM = 10, 50, 208, 1.83


def run() -> list[dict]:
    """Return {name, ours, plain, unit, ratio, note} of each comparison; the greater the ratio the better."""
    with threadpool_limits(1):
        return [clean_ecg_vs_spsolve(), crop_cmr_vs_full_decode()]


def clean_ecg_vs_spsolve(records: int = 8) -> dict:
    """Clean records of 12 x 5000 samples, against the same baseline by scipy's general sparse solver."""
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 0.02, (records, 12, 5000)).cumsum(axis=2)
    penalty = second_difference_penalty(5000)
    ours = rate(
        lambda signal: clean_ecg(signal, clip_std=4.0, method="asls", lam=LAM, p=P, iterations=ITERATIONS),
        signals,
        repeats=3,
    )
    plain = rate(lambda signal: [plain_baseline(lead, penalty) for lead in signal], signals[:3], repeats=2)
    note = "whole cleaning against the baseline alone; 12 leads of 10 s"
    return compared("clean_ecg_vs_spsolve", ours, plain, "records/s", note)


def crop_cmr_vs_full_decode() -> dict:
    """Read and crop one subject's zip, against decoding each of its DICOM files by pydicom."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "subject.zip"
        write_sax_zip(path, beating_disc(), pixel_spacing_mm=SPACING_MM, seed=1, compresslevel=6)
        ours = rate(
            lambda file: crop_heart(read_middle_slice(file, minimum_slices=8), size=210, box_mm=142.0),
            [path] * 4,
            repeats=3,
        )
        plain = rate(decode_all, [path], repeats=3)
        note = f"{SLICES} slices of {FRAMES} frames, {SIDE} pixels a side; ours finds the heart too"
    return compared("crop_cmr_vs_full_decode", ours, plain, "subjects/s", note)


def compared(name: str, ours: float, plain: float, unit: str, note: str) -> dict:
    """Return one row of the benchmark table."""
    return {"name": name, "ours": ours, "plain": plain, "unit": unit, "ratio": ours / plain, "note": note}


def rate(work: Callable, items, repeats: int) -> float:
    """Return items per second: the best of `repeats` passes after one call to warm up."""
    work(items[0])
    best = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        for item in items:
            work(item)
        best = min(best, time.perf_counter() - begin)
    return len(items) / best


def second_difference_penalty(size: int) -> sparse.csc_matrix:
    """Return LAM D'D for second differences D, (size, size)."""
    difference = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(size - 2, size))
    return sparse.csc_matrix(LAM * (difference.T @ difference))


def plain_baseline(lead: np.ndarray, penalty: sparse.csc_matrix) -> np.ndarray:
    """Return the asymmetric least squares baseline of one lead (n,) as Eilers and Boelens 2005 wrote it down."""
    weights = np.ones(lead.size)
    for _ in range(ITERATIONS):
        baseline = spsolve(sparse.diags_array(weights, format="csc") + penalty, weights * lead)
        weights = np.where(lead > baseline, P, 1 - P)
    return baseline


def decode_all(path: Path) -> list[np.ndarray]:
    """Decode every image of a zip."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dcm")]
        return [pydicom.dcmread(io.BytesIO(archive.read(name))).pixel_array for name in names]


def beating_disc() -> np.ndarray:
    """Return a stack (slices, frames, rows, columns) uint16: bright blood that shrinks and grows in a dark wall."""
    y, x = np.mgrid[:SIDE, :SIDE] * SPACING_MM - SIDE * SPACING_MM / 2
    distance, chest = np.hypot(y, x), np.hypot(y / 110, x / 150)
    inner = 21 + 5 * np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)[:, None, None]
    outer = np.sqrt(inner**2 + 700)
    image = np.where(chest < 1, 60, 5) + np.where((chest > 0.9) & (chest < 1), 700, 0)
    image = image + np.where(distance < outer, 140, 0) + np.where(distance < inner, 420, 0)
    noise = np.random.default_rng(0).normal(0, 8, (SLICES, *image.shape))
    return np.clip(image + noise, 0, 4095).astype(np.uint16)
