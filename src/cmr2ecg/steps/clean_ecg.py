"""Read and clean one shard of the ECGs (paper §IV-A).

Outputs: an HDF5 file with `eid` (n,) and `ecg` (n, 12, samples) float32, and a QC table with a verdict on every
subject.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cmr2ecg.cohort.shards import Field, paths_of, process_shard
from cmr2ecg.cohort.visits import check_still_there
from cmr2ecg.ecg.clean import clean_ecg
from cmr2ecg.ecg.prepare import MEASURES, prepare
from cmr2ecg.ecg.read import read_ecg
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.memory import keep_freed_memory
from cmr2ecg.study.settings.recordings import CleanEcg
from cmr2ecg.study.settings.validated import step_settings


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--visits", type=Path, required=True, help="the shard's visits, of index_shard")
    parser.add_argument("--raw", type=Path, help="folders of raw files, where the visits hold names alone")
    parser.add_argument("--output", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--qc", type=Path, required=True, help="QC table to write")
    args = parser.parse_args(argv)
    start(args)
    keep_freed_memory()
    settings = step_settings(CleanEcg, args.settings)
    subjects = paths_of(args.visits, "ecg_path", args.raw)
    process_shard(
        subjects,
        partial(clean_file, settings=settings),
        fields={"ecg": Field((len(LEADS), settings.samples), "float32")},
        attributes={"leads": list(LEADS), "sampling_rate_hz": settings.sampling_rate_hz},
        measures=MEASURES,
        output=args.output,
        qc=args.qc,
    )
    check_still_there((path for _, path in subjects), "raw.ecg")


def clean_file(path: str | Path, settings: CleanEcg) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the cleaned ECG of one file and what the QC table says about it."""
    rate, samples, baseline = settings.sampling_rate_hz, settings.samples, settings.baseline
    signal, measures = prepare(read_ecg(path), sampling_rate_hz=rate, samples=samples, quality=settings.quality)
    cleaned = clean_ecg(
        signal,
        clip_std=settings.clip_std,
        method=baseline.method,
        lam=baseline.lam,
        p=baseline.p,
        iterations=baseline.iterations,
    )
    return {"ecg": cleaned}, measures


if __name__ == "__main__":
    run(main)
