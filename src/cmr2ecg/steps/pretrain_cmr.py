"""Pre-train the CMR encoder with SimCLR (paper §IV-C.1: all image encoders start from it)."""

from collections.abc import Sequence

from cmr2ecg.runtime.command import run, start
from cmr2ecg.training.pretrain.run import PretrainingJob, pretrain_parser, run_pretraining
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective


def main(argv: Sequence[str] | None = None) -> None:
    args = pretrain_parser(__doc__).parse_args(argv)
    start(args)
    run_pretraining(CmrSimclrObjective, PretrainingJob.of(args, "cmr2ecg.steps.pretrain_cmr"))


if __name__ == "__main__":
    run(main)
