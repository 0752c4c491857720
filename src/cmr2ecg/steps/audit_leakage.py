"""Stop the run before any training if a subject, a repeat visit or a recording crosses the splits (paper §IV-A).

Two subjects share a recording if their ECGs or their images have the same samples or correlate at
audit_leakage.duplicate_correlation or more. Within one split that is reported, across splits it ends the run.

Outputs: audit.json (counts), and duplicates.csv (recording, group, kind, eid, split), also after a failure.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import h5py
import pandas as pd

from cmr2ecg.data.duplicates import duplicate_groups, scan_recordings
from cmr2ecg.data.leakage import check_duplicates, check_subjects, crossing, duplicate_table
from cmr2ecg.data.rows import Rows
from cmr2ecg.data.split import SPLITS
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic, write_json

RECORDINGS = ("ecg", "cmr")


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5 of assemble_dataset")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of split_subjects")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet of read_tabular")
    parser.add_argument("--visits", type=Path, required=True, help="visits.parquet of index_cohort")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--duplicates", type=Path, required=True, help="csv file to write, also if the audit fails")
    args = parser.parse_args(argv)
    start(args)
    args.duplicates.unlink(missing_ok=True)
    split, labels = pd.read_csv(args.split), pd.read_parquet(args.labels)
    visits = pd.read_parquet(args.visits, columns=["eid"])
    with h5py.File(args.dataset, "r") as file:
        eids = file["eid"][:]
        check_subjects(eids, split, labels, visits)
        groups = {
            name: shared(Rows(file, name), name, args.settings["duplicate_correlation"])
            for name in RECORDINGS
            if name in file
        }
    table = duplicate_table(groups, eids, split.set_index("eid")["split"].loc[eids].to_numpy())
    with atomic(args.duplicates) as path:
        table.to_csv(path, index=False)
    for name in groups:
        logging.info("%s: %d recordings stand under several eids", name, len(groups[name]))
    check_duplicates(table, str(args.duplicates))
    write_json(args.output, summary(split, labels, table))


def shared(rows: Rows, name: str, correlation: float) -> list[tuple[str, list[int]]]:
    """Return the groups of rows that share a recording."""
    scan = scan_recordings(rows.read, len(rows.row), f"audit_leakage {name}")
    return duplicate_groups(scan, rows.read, correlation)


def summary(split: pd.DataFrame, labels: pd.DataFrame, table: pd.DataFrame) -> dict:
    """Return the counts of the audit: subjects and prevalences by split, shared recordings."""
    joined = split.merge(labels, on="eid")
    diseases = [name for name in labels if name != "eid"]
    counted = table.drop_duplicates(["recording", "group"]).groupby(["recording", "kind"]).size()
    return {
        "subjects": {name: int((split["split"] == name).sum()) for name in SPLITS},
        "prevalence": {
            name: {disease: round(float(part[disease].mean()), 6) for disease in diseases}
            for name, part in joined.groupby("split")
        },
        "shared_within_a_split": {f"{recording}, {kind}": int(n) for (recording, kind), n in counted.items()},
        "shared_across_splits": int(crossing(table).sum()),
    }


if __name__ == "__main__":
    run(main)
