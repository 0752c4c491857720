"""Stop the run before any training if a subject, a repeat visit or a recording crosses the splits (paper §IV-A).

Two subjects share a recording if their ECGs or their images have the same samples or correlate at
audit_leakage.duplicate_correlation or more. Within one split that is reported, across splits it ends the run.

Outputs: audit.json (counts), and duplicates.csv (recording, group, kind, eid, split), also after a failure; with
--unpaired also the counts of the unpaired ECGs, in a file of its own, so that fits that never see them do not rerun.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from cmr2ecg.cohort.duplicates import duplicate_groups, scan_recordings
from cmr2ecg.cohort.leakage import (
    UNPAIRED,
    among_pairs,
    check_duplicates,
    check_recordings,
    check_subjects,
    check_unpaired,
    crossing,
    duplicate_table,
)
from cmr2ecg.cohort.split import SPLITS
from cmr2ecg.loading.shard_reader import ShardReader
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic, write_json
from cmr2ecg.study.settings.cohort import AuditLeakage
from cmr2ecg.study.settings.validated import step_settings

RECORDINGS = ("ecg", "cmr")


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5 of assemble_dataset")
    parser.add_argument("--split", type=Path, required=True, help="split.csv of split_subjects")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet of read_tabular")
    parser.add_argument("--visits", type=Path, required=True, help="visits.parquet of index_cohort")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--duplicates", type=Path, required=True, help="csv file to write, also if the audit fails")
    parser.add_argument("--unpaired", type=Path, help="unpaired.h5 of assemble_dataset; left out: there is none")
    parser.add_argument("--unpaired-output", type=Path, help="JSON file to write about it")
    args = parser.parse_args(argv)
    start(args)
    settings = step_settings(AuditLeakage, args.settings)
    args.duplicates.unlink(missing_ok=True)
    split, labels = pd.read_csv(args.split), pd.read_parquet(args.labels)
    visits = pd.read_parquet(args.visits, columns=["eid", "subject"])
    with ExitStack() as stack:
        file = stack.enter_context(h5py.File(args.dataset, "r"))
        unpaired = stack.enter_context(h5py.File(args.unpaired, "r")) if args.unpaired else None
        eids, alone = file["eid"][:], unpaired["eid"][:] if unpaired else np.array([], np.int64)
        check_subjects(eids, split, labels, visits)
        check_recordings(split, visits)
        check_unpaired(eids, alone)
        recordings = {name: ShardReader(file, name) for name in RECORDINGS if name in file}
        if unpaired:
            recordings["ecg"].append(ShardReader(unpaired, "ecg"))
        groups = {name: shared(rows, name, settings.duplicate_correlation) for name, rows in recordings.items()}
    places = [*split.set_index("eid")["split"].loc[eids], *[UNPAIRED] * len(alone)]
    table = duplicate_table(groups, np.concatenate([eids, alone]), np.array(places, object))
    with atomic(args.duplicates) as path:
        table.to_csv(path, index=False)
    for name in groups:
        logging.info("%s: %d recordings stand under several eids", name, len(groups[name]))
    check_duplicates(table, str(args.duplicates))
    write_json(args.output, summary(split, labels, among_pairs(table)))
    if args.unpaired:
        write_json(args.unpaired_output, unpaired_summary(len(alone), table))


def shared(rows: ShardReader, name: str, correlation: float) -> list[tuple[str, list[int]]]:
    """Return the groups of rows that share a recording."""
    scan = scan_recordings(rows.read, len(rows.row), f"audit_leakage {name}")
    return duplicate_groups(scan, rows.read, correlation)


def unpaired_summary(subjects: int, table: pd.DataFrame) -> dict:
    """Return how many unpaired ECGs there are, and how many of them share a recording with each other or with train."""
    return {"subjects": subjects, "shared_with_train_or_unpaired": int((table["split"] == UNPAIRED).sum())}


def summary(split: pd.DataFrame, labels: pd.DataFrame, table: pd.DataFrame) -> dict:
    """Return the counts of the audit: subjects and prevalences by split, shared recordings."""
    joined = split.merge(labels, on="eid")
    diseases = [name for name in labels if name != "eid"]
    counted = table.drop_duplicates(["recording", "group"]).groupby(["recording", "kind"]).size().reset_index(name="n")
    return {
        "subjects": {name: int((split["split"] == name).sum()) for name in SPLITS},
        "prevalence": {
            name: {disease: round(float(part[disease].mean()), 6) for disease in diseases}
            for name, part in joined.groupby("split")
        },
        "shared_within_a_split": {
            f"{recording}, {kind}": int(n) for recording, kind, n in counted.itertuples(index=False, name=None)
        },
        "shared_across_splits": int(crossing(table).sum()),
    }


if __name__ == "__main__":
    run(main)
