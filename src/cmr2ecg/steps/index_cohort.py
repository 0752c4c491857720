"""Join the visits and exclusion counts of all shards.

Outputs: visits.parquet (eid, instance, ecg_path, cmr_path, segmentation, subject, split), and flow.csv (step, reason,
n_in, n_out).
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.cohort.flow import read_flow, write_flow
from cmr2ecg.cohort.inventory import join_shards
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--shard-visits", type=Path, nargs="+", required=True, help="visits of each shard")
    parser.add_argument("--shard-flow", type=Path, nargs="+", required=True, help="their flows, in the same order")
    parser.add_argument("--visits", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--flow", type=Path, required=True, help="exclusion table to write")
    args = parser.parse_args(argv)
    start(args)
    shards = zip(map(pd.read_parquet, args.shard_visits), map(read_flow, args.shard_flow), strict=True)
    visits, flow = join_shards(list(shards))
    with atomic(args.visits) as path:
        visits.to_parquet(path, index=False)
    write_flow(args.flow, flow)


if __name__ == "__main__":
    run(main)
