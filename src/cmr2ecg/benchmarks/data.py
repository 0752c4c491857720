"""How fast the data steps are against the plain way of doing the same, in one process on one core."""

import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from defusedxml.ElementTree import fromstring
from pybaselines import Baseline
from scipy import sparse
from scipy.sparse.linalg import spsolve
from threadpoolctl import threadpool_limits

from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.cmr.crop import crop_heart
from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.ecg.clean import clean_ecg
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.sax_zip import write_sax_zip

LAM, P, ITERATIONS = 1.0e7, 0.3, 5
SLICES, FRAMES, SIDE, SPACING_MM = 10, 50, 208, 1.83


def run() -> list[dict]:
    """Return each step against the plain way, and the share it reaches of what its library needs alone."""
    with threadpool_limits(1):
        return [*cleaning(), *cropping()]


def cleaning(records: int = 8) -> list[dict]:
    """Return cleaning against the baseline by scipy's general sparse solver, and shares of pybaselines and of expat.

    A record has 12 x 5000 samples.
    """
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 0.02, (records, 12, 5000)).cumsum(axis=2)
    penalty = second_difference_penalty(5000)
    options = {"method": "asls", "lam": LAM, "p": P, "iterations": ITERATIONS}
    ours = rate(lambda signal: clean_ecg(signal, clip_std=4.0, **options), signals, repeats=3)
    plain = rate(lambda signal: [plain_baseline(lead, penalty) for lead in signal], signals[:3], repeats=2)
    library = rate(lambda signal: [library_baseline(lead) for lead in signal], signals, repeats=3)
    note = "12 leads of 10 s"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.xml"
        path.write_bytes(cardiosoft_xml((signals[0] * 200).round().astype(int)))
        reading = rate(read_ecg, [path] * 8, repeats=3)
        expat = rate(lambda file: fromstring(file.read_bytes()), [path] * 8, repeats=3)
        size = path.stat().st_size / 1e6
    return [
        compared(
            "clean_ecg_vs_spsolve", ours, plain, "records/s", f"whole cleaning against the baseline alone; {note}"
        ),
        compared("clean_ecg_of_pybaselines", ours, library, "records/s", f"of its baseline alone; {note}"),
        compared("read_ecg_of_expat", reading, expat, "records/s", f"of parsing {size:.2f} MB of XML alone"),
    ]


def cropping() -> list[dict]:
    """Return reading and cropping a subject's zip against decoding each of its files by pydicom, and a share.

    The share is that of inflating the middle slice alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "subject.zip"
        write_sax_zip(path, beating_disc(), pixel_spacing_mm=SPACING_MM, seed=1, compresslevel=6)
        ours = rate(
            lambda file: crop_heart(read_middle_slice(file, minimum_slices=8), size=210, box_mm=142.0),
            [path] * 4,
            repeats=3,
        )
        plain = rate(decode_all, [path], repeats=3)
        inflated = rate(inflate_slice, [path] * 4, repeats=3)
    note = f"{SLICES} slices of {FRAMES} frames, {SIDE} pixels a side; ours finds the heart too"
    return [
        compared("crop_cmr_vs_full_decode", ours, plain, "subjects/s", note),
        compared("crop_cmr_of_inflating", ours, inflated, "subjects/s", f"of inflating the {FRAMES} frames alone"),
    ]


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


def library_baseline(lead: np.ndarray) -> np.ndarray:
    """Return the same baseline of one lead (n,) by pybaselines, which solves the banded system."""
    return library_fitter(lead.size).asls(lead, lam=LAM, p=P, max_iter=ITERATIONS - 1, tol=0)[0]


@lru_cache(maxsize=1)
def library_fitter(size: int) -> Baseline:
    """Return pybaselines' fitter, which keeps its penalty."""
    return Baseline(np.arange(size, dtype=np.float64), check_finite=False, assume_sorted=True)


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


def inflate_slice(path: Path) -> list[bytes]:
    """Inflate as many frames as one slice has."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dcm")]
        return [archive.read(name) for name in names[:FRAMES]]


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


if __name__ == "__main__":
    alone(run, __doc__)
