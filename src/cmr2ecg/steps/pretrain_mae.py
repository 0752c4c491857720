"""Pre-train the ECG encoder as a masked autoencoder, "MDM" (paper §III-A, §IV-C.2).

At the paper's size: 28,030 ECGs x 400 epochs. Expected: a validation loss that falls
well below 1, the variance of a normalised ECG.
"""

from collections.abc import Sequence

from cmr2ecg.runtime.command import run, start
from cmr2ecg.training.pretrain.mae import MaeObjective
from cmr2ecg.training.pretrain.run import PretrainingJob, ecg_parser, run_pretraining


def main(argv: Sequence[str] | None = None) -> None:
    args = ecg_parser(__doc__).parse_args(argv)
    start(args)
    run_pretraining(MaeObjective, PretrainingJob.of(args, "cmr2ecg.steps.pretrain_mae"))


if __name__ == "__main__":
    run(main)
