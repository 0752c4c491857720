"""Pre-train the ECG encoder against CMR images with multimodal contrastive learning (paper §III-B, §IV-C.2).

The image encoder starts from SimCLR; the ECG encoder starts from the MAE, or at random ("MMCL w/o MDM").
"""

from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.command import run, start
from cmr2ecg.training.checkpoint import load_weights
from cmr2ecg.training.pretrain.mmcl import MmclObjective
from cmr2ecg.training.pretrain.run import PretrainingJob, pretrain_parser, run_pretraining


def build(models: dict, settings: dict, ecg: Path | None, cmr: Path) -> MmclObjective:
    """Return the objective with its encoders at their starting weights; `ecg` None leaves that one random."""
    objective = MmclObjective(models, settings)
    load_weights(cmr, objective.cmr_encoder)
    if ecg is not None:
        load_weights(ecg, objective.ecg_encoder)
    return objective


def main(argv: Sequence[str] | None = None) -> None:
    parser = pretrain_parser(__doc__)
    parser.add_argument("--ecg-encoder", type=Path, help="MAE encoder to start from; left out: random")
    parser.add_argument("--cmr-encoder", type=Path, required=True, help="SimCLR image encoder to start from")
    args = parser.parse_args(argv)
    start(args)
    run_pretraining(
        lambda models, settings: build(models, settings, args.ecg_encoder, args.cmr_encoder),
        PretrainingJob.of(args, "cmr2ecg.steps.pretrain_mmcl"),
        starts_from=[path for path in (args.ecg_encoder, args.cmr_encoder) if path],
    )


if __name__ == "__main__":
    run(main)
