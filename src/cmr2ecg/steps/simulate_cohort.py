"""Write a synthetic cohort in UK Biobank's own file formats, with the planted truth beside it.

Raw files go to RAW/ecg and RAW/cmr, which are emptied first. Settings: the simulate_cohort section of the config.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.simulate.cohort import simulate
from cmr2ecg.simulate.tables import write_tabular, write_withdrawn
from cmr2ecg.study.settings.cohort import SimulateCohort
from cmr2ecg.study.settings.validated import step_settings

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="out: folder of the raw files")
    parser.add_argument("--tabular", type=Path, required=True, help="out: csv of fields as ukbconv names them")
    parser.add_argument("--withdrawn", type=Path, required=True, help="out: one eid a line")
    parser.add_argument("--truth", type=Path, required=True, help="out: parquet of latents, geometry and risks")
    parser.add_argument("--files", type=Path, required=True, help="out: raw files written, one a line")
    args = parser.parse_args(argv)
    start(args)

    cohort = simulate(step_settings(SimulateCohort, args.settings), args.raw, args.threads)
    with atomic(args.tabular) as partial:
        write_tabular(partial, cohort.tabular)
    with atomic(args.withdrawn) as partial:
        write_withdrawn(partial, cohort.withdrawn)
    with atomic(args.truth) as partial:
        cohort.truth.to_parquet(partial, index=False)
    with atomic(args.files) as partial:
        partial.write_text("".join(f"{name}\n" for name in cohort.files))
    log.info("wrote %d raw files of %d subjects", len(cohort.files), len(cohort.truth))


if __name__ == "__main__":
    run(main)
