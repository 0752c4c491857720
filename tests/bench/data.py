"""How fast the data steps are against the plain way of doing the same, in one process on one core."""

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from defusedxml.ElementTree import fromstring
from pybaselines import Baseline
from scipy import sparse
from scipy.sparse.linalg import spsolve
from threadpoolctl import threadpool_limits

from bench.made_up import FRAMES, SIDE, SLICES, write_cmr
from bench.rows import compared, seconds_of
from cmr2ecg.cmr.crop import crop_heart
from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.cohort.duplicates import centred, duplicate_groups, scan_recordings
from cmr2ecg.ecg.clean import clean_ecg
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml

LAM, P, ITERATIONS = 1.0e7, 0.3, 5
RECORDINGS, SAMPLES, CORRELATION = 3_000, 60_000, 0.999  # of the audit


def run() -> Iterator[dict]:
    """Yield each step against the plain way, and the share it reaches of what its library needs alone."""
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        yield from cleaning(Path(folder) / "record.xml")
        yield from cropping(Path(folder) / "subject.zip")
        yield from duplicates()


def rate(work: Callable, items: Sequence, rounds: int = 3) -> float:
    """Return items a second, the best of the rounds."""
    return len(items) / seconds_of(lambda: [work(item) for item in items], rounds=rounds)[0]


def cleaning(path: Path, records: int = 8) -> Iterator[dict]:
    """Records of 12 x 5000 samples against scipy's general sparse solver and pybaselines; files against expat."""
    signals = np.random.default_rng(0).normal(0, 0.02, (records, 12, 5000)).cumsum(axis=2)
    difference = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(4998, 5000))
    penalty = sparse.csc_matrix(LAM * (difference.T @ difference))
    library = Baseline(np.arange(5000.0), check_finite=False, assume_sorted=True)  # solves the banded system
    options = {"method": "asls", "lam": LAM, "p": P, "iterations": ITERATIONS}
    alike = {"lam": LAM, "p": P, "max_iter": ITERATIONS - 1, "tol": 0}
    ours = rate(lambda signal: clean_ecg(signal, clip_std=4.0, **options), signals)
    plain = rate(lambda signal: [plain_baseline(lead, penalty) for lead in signal], signals[:3], rounds=2)
    best = rate(lambda signal: [library.asls(lead, **alike)[0] for lead in signal], signals)
    note = f"whole cleaning against the baseline alone; 12 leads of 10 s; best alternative: pybaselines, {best:.3g}"
    yield compared("clean_ecg_vs_spsolve", ours, plain, "records/s", note)
    yield compared("clean_ecg_of_pybaselines", ours, best, "records/s", "of its baseline alone; 12 leads of 10 s")
    path.write_bytes(cardiosoft_xml((signals[0] * 200).round().astype(int)))
    reading, expat = rate(read_ecg, [path] * 8), rate(lambda file: fromstring(file.read_bytes()), [path] * 8)
    note = f"of parsing {path.stat().st_size / 1e6:.2f} MB of XML alone"
    yield compared("read_ecg_of_expat", reading, expat, "records/s", note)


def plain_baseline(lead: np.ndarray, penalty: sparse.csc_matrix) -> np.ndarray:
    """Return the asymmetric least squares baseline of one lead (n,) as Eilers and Boelens 2005 wrote it down."""
    weights = np.ones(lead.size)
    for _ in range(ITERATIONS):
        baseline = spsolve(sparse.diags_array(weights, format="csc") + penalty, weights * lead)
        weights = np.where(lead > baseline, P, 1 - P)
    return baseline


def cropping(path: Path) -> Iterator[dict]:
    """A subject's zip against decoding all or the middle of its files by pydicom, and against inflating a slice."""
    write_cmr(path, SLICES, FRAMES, SIDE)

    def crop(file: Path) -> object:
        return crop_heart(read_middle_slice(file, minimum_slices=8), size=210, box_mm=142.0)

    def decode_all(archive: zipfile.ZipFile, names: list[str]) -> list[np.ndarray]:
        return [pydicom.dcmread(archive.open(name)).pixel_array for name in names]

    def decode_middle(archive: zipfile.ZipFile, names: list[str]) -> list[np.ndarray]:
        places: dict[tuple, list[str]] = {}
        for name in names:
            header = pydicom.dcmread(
                archive.open(name), stop_before_pixels=True, specific_tags=["ImagePositionPatient"]
            )
            places.setdefault(tuple(header.ImagePositionPatient), []).append(name)
        return decode_all(archive, places[sorted(places)[len(places) // 2]])

    def inflate(archive: zipfile.ZipFile, names: list[str]) -> list[bytes]:
        return [archive.read(name) for name in names[:FRAMES]]

    def of_archive(work: Callable) -> Callable[[Path], None]:
        def opened(file: Path) -> None:
            with zipfile.ZipFile(file) as archive:
                work(archive, [name for name in archive.namelist() if name.endswith(".dcm")])

        return opened

    ours = rate(crop, [path] * 4)
    plain, best, inflated = (rate(of_archive(work), [path]) for work in (decode_all, decode_middle, inflate))
    note = f"{SLICES} slices of {FRAMES} frames, {SIDE} pixels a side; ours finds the heart too; "
    note += f"best alternative: pydicom, tags of all files, pixels of the middle slice: {best:.3g}"
    yield compared("crop_cmr_vs_full_decode", ours, plain, "subjects/s", note)
    yield compared("crop_cmr_of_inflating", ours, inflated, "subjects/s", f"of inflating the {FRAMES} frames alone")


def duplicates() -> Iterator[dict]:
    """Recordings in memory against the correlation of all pairs, which finds the same, and against hashing alone.

    The whole step at the size of the paper's study is a row of `make bench-scale`.
    """
    data = np.random.default_rng(0).standard_normal((RECORDINGS, SAMPLES), np.float32)
    data[RECORDINGS // 2] = 2 * data[0]
    found: dict[str, list[tuple[int, ...]]] = {}

    def ours() -> None:
        scan = scan_recordings(lambda rows: data[rows[0] : rows[-1] + 1], RECORDINGS, "audit_leakage")
        found["ours"] = [tuple(rows) for _, rows in duplicate_groups(scan, data.__getitem__, CORRELATION)]

    def all_pairs() -> None:
        whole = centred(data)
        found["plain"] = [(int(a), int(b)) for a, b in np.argwhere(whole @ whole.T >= CORRELATION) if a < b]

    times = seconds_of(ours, all_pairs, lambda: [hashlib.sha256(row).digest() for row in data], warm=False)
    if found["ours"] != found["plain"]:
        raise RuntimeError("the audit and the correlation of all pairs disagree")
    rates = [RECORDINGS / seconds for seconds in times]
    note = f"{RECORDINGS} ECGs of 12 x 5000 in memory; all pairs grow with the square of their number"
    yield compared("duplicates_vs_all_pairs", rates[0], rates[1], "recordings/s", note)
    note = "of hashing the same recordings alone, 1 thread, which finds no scaled copy"
    yield compared("duplicates_of_sha256", rates[0], rates[2], "recordings/s", note)
