"""Pre-train the ECG encoder with a contrastive baseline: SimCLR, BYOL, Barlow Twins or CLOCS (paper §IV-D.1)."""

from collections.abc import Sequence

from cmr2ecg.runtime.command import run, start
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.run import PretrainingJob, ecg_parser, run_pretraining


def main(argv: Sequence[str] | None = None) -> None:
    parser = ecg_parser(__doc__)
    parser.add_argument("--baseline", choices=OBJECTIVES, required=True, help="which of them")
    args = parser.parse_args(argv)
    start(args)
    run_pretraining(OBJECTIVES[args.baseline], PretrainingJob.of(args, "cmr2ecg.steps.pretrain_contrastive"))


if __name__ == "__main__":
    run(main)
