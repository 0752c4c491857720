"""Join the shards to dataset.h5, the paired subjects that passed every check, and count the exclusions.

Outputs: dataset.h5 with `eid`, `ecg` and `cmr` (virtual datasets over the shards), and flow.csv, which goes on from
index_cohort's; with --unpaired also unpaired.h5 with `eid` and `ecg` of those whose ECG passed but who have no usable
image, or whose ECG is for pre-trainings alone. They are in no split; only pre-trainings on ECGs alone read them.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.cohort.dataset import accepted, ecg_alone, pair, with_unpaired, write_dataset
from cmr2ecg.cohort.flow import read_flow, write_flow
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--index-flow", type=Path, required=True, help="flow.csv of index_cohort")
    parser.add_argument("--ecg", type=Path, nargs="+", required=True, help="HDF5 shards of clean_ecg")
    parser.add_argument("--ecg-qc", type=Path, nargs="+", required=True, help="QC tables of clean_ecg")
    parser.add_argument("--cmr", type=Path, nargs="*", default=[], help="HDF5 shards of crop_cmr; none: ECGs alone")
    parser.add_argument("--cmr-qc", type=Path, nargs="*", default=[], help="QC tables of crop_cmr")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet of read_tabular")
    parser.add_argument("--output", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--flow", type=Path, required=True, help="exclusion table to write")
    parser.add_argument(
        "--unpaired-ecg", type=Path, nargs="*", default=[], help="HDF5 shards of ECGs without a CMR or a label"
    )
    parser.add_argument("--unpaired-qc", type=Path, nargs="*", default=[], help="their QC tables")
    parser.add_argument("--unpaired", type=Path, help="HDF5 file of ECGs without an image to write; left out: none")
    args = parser.parse_args(argv)
    start(args)
    in_tables = pd.read_parquet(args.labels, columns=["eid"])["eid"].to_numpy()
    ecg_qc, cmr_qc = read_qc(args.ecg_qc), read_qc(args.cmr_qc) if args.cmr_qc else None
    if args.unpaired:
        if not args.unpaired_qc:
            parser.error("--unpaired: without --unpaired-qc every ECG is in the data set")
        unpaired_qc = read_qc(args.unpaired_qc)
        if cmr_qc is None:
            alone = accepted(unpaired_qc)
        else:
            ecg_qc, cmr_qc = with_unpaired(ecg_qc, cmr_qc, unpaired_qc)
            alone = ecg_alone(ecg_qc, cmr_qc)
        with atomic(args.unpaired) as path:
            write_dataset(path, args.unpaired, alone, {"ecg": [*args.ecg, *args.unpaired_ecg]})
        logging.info("%d ECGs are for pre-trainings alone", len(alone))
        for reason, count in unpaired_qc.loc[unpaired_qc["status"] != "accepted", "reason"].value_counts().items():
            logging.info("of those without an image or a label %d were rejected: %s", count, reason)
    eids, flow = pair(ecg_qc, cmr_qc, in_tables, read_flow(args.index_flow), keep_ecgs=bool(args.unpaired))
    shards = {"ecg": args.ecg, **({"cmr": args.cmr} if args.cmr else {})}
    with atomic(args.output) as path:
        write_dataset(path, args.output, eids, shards)
    write_flow(args.flow, flow)


def read_qc(files: Sequence[Path]) -> pd.DataFrame:
    """Return eid, status and reason of all QC tables."""
    columns = {"eid": "int64", "status": "str", "reason": "str"}
    tables = [pd.read_csv(file, usecols=list(columns), dtype=columns) for file in files]
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    run(main)
