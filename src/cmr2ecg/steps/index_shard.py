"""Find, for the subjects of one shard, the earliest imaging visit with both an ECG and a short-axis CMR (paper §IV-A).

Outputs: a parquet file of visits (eid, instance, ecg_path, cmr_path, segmentation, subject, split), and a flow table
(step, reason, n_in, n_out); with index_cohort.unpaired_ecgs also a file of the visits of those whose ECG has no
image, or is for pre-trainings alone.
Options may stand in a file, a line each, that is named as @FILE.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.cohort.arrivals import Ledger, check_files_remain, read_ledger
from cmr2ecg.cohort.flow import write_flow
from cmr2ecg.cohort.inventory import index_ecgs, index_shard, index_with_unpaired, with_subjects
from cmr2ecg.raw.bulk import CMR_FIELD, ECG_FIELD, list_files
from cmr2ecg.raw.segmentation import list_segmentations
from cmr2ecg.raw.withdrawn import read_withdrawn
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.study.settings.cohort import IndexCohort
from cmr2ecg.study.settings.validated import step_settings
from cmr2ecg.study.targets import PRETRAIN


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.fromfile_prefix_chars = "@"
    parser.add_argument("--shard", type=int, required=True, help="this shard")
    parser.add_argument("--shards", type=int, required=True, help="number of first shards: eid %% shards")
    parser.add_argument("--ledger", type=Path, help="who is in which shard, subjects that arrived later among them")
    parser.add_argument("--ecg", nargs="*", default=[], help="folders with EID_20205_I_A.xml, or lists of paths")
    parser.add_argument("--cmr", nargs="*", default=[], help="folders with EID_20209_I_A.zip, or lists of paths")
    parser.add_argument("--segmentations", nargs="*", default=[], help="folders with segmented short axes")
    parser.add_argument("--withdrawn", type=Path, nargs="*", default=[], help="withdrawal lists")
    parser.add_argument("--excluded", type=Path, nargs="*", default=[], help="lists of others to be left out")
    for name in ("tabular", "boxes"):
        parser.add_argument(f"--{name}", nargs="*", default=[], help="not looked at")
    parser.add_argument("--names", action="store_true", help="keep paths without their folders (cohort/visits.py)")
    parser.add_argument("--visits", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--flow", type=Path, required=True, help="exclusion table to write")
    parser.add_argument("--unpaired", type=Path, help="parquet file to write, with index_cohort.unpaired_ecgs")
    args = parser.parse_args(argv)
    start(args)
    settings = step_settings(IndexCohort, args.settings)
    with_cmr = "cmr" in settings.modalities
    withdrawn = read_withdrawn(args.withdrawn)
    excluded = read_withdrawn(args.excluded, "raw.excluded")
    known = read_ledger(args.ledger, args.shards) if args.ledger else None
    ledger = known or Ledger(args.shards, {}, complete=False)
    listed, listed_cmr = (
        {key: file for key, file in list_files(folders, field).items() if ledger.place(key[0], withdrawn) == args.shard}
        if wanted
        else {}
        for folders, field, wanted in ((args.ecg, ECG_FIELD, True), (args.cmr, CMR_FIELD, with_cmr))
    )
    alone = {key for key, file in listed.items() if file.split == PRETRAIN}
    ecg, cmr = ({key: file.path for key, file in files.items()} for files in (listed, listed_cmr))
    for kind, files in (("ecg", ecg), ("unlabelled", ecg), ("cmr", cmr)):
        check_files_remain(ledger.in_shard(args.shard), kind, {eid for eid, _ in files}, "Run again with it.")
    segmented = list_segmentations(args.segmentations)
    if args.names:  # before pandas, for a folder's name need not be UTF-8
        ecg, cmr = ({key: os.path.basename(path) for key, path in found.items()} for found in (ecg, cmr))
        segmented = {key: os.path.basename(path) for key, path in segmented.items()}
    if settings.unpaired_ecgs:
        if with_cmr:
            for_pretraining = {eid for eid, _ in alone}
            images = {key: name for key, name in cmr.items() if key[0] not in for_pretraining}
            visits, unpaired, flow = index_with_unpaired(
                ecg, images, segmented, withdrawn, settings.instances, excluded
            )
        else:
            visits, unpaired, flow = index_ecgs(ecg, alone, withdrawn, settings.instances, excluded)
        with atomic(args.unpaired) as path:
            with_subjects(unpaired, listed).to_parquet(path, index=False)
    else:
        visits, flow = index_shard(ecg, cmr, segmented, withdrawn, settings.instances, with_cmr, excluded)
    with atomic(args.visits) as path:
        with_subjects(visits, listed).to_parquet(path, index=False)
    write_flow(args.flow, flow)


if __name__ == "__main__":
    run(main)
