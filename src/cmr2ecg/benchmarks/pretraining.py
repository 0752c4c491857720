"""A step of the contrastive baselines and of the image encoder's SimCLR, against plain fp32 steps and the peak."""

from collections.abc import Iterator

from cmr2ecg.benchmarks.rows import alone
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.benchmarks.training import build, compared, shares, side_by_side, where
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES
from cmr2ecg.training.pretrain.simclr_cmr import CmrSimclrObjective

ECG_BATCH, CMR_BATCH = 16, 8
REPEATS = 3


def run() -> Iterator[dict]:
    """Yield NAME_step_vs_plain and NAME_step_..._of_peak of SimCLR, BYOL, Barlow Twins, CLOCS and the image encoder."""
    pretrain = paper_settings()["pretrain"]
    kinds = {name: (objective, pretrain["contrastive"][name], ECG_BATCH) for name, objective in OBJECTIVES.items()}
    kinds |= {"cmr": (CmrSimclrObjective, pretrain["cmr"], CMR_BATCH)}
    for name, (objective, settings, batch) in kinds.items():
        steps = [build(objective, settings, batch, plain=plain) for plain in (False, True)]
        times = side_by_side(*steps, repeats=REPEATS)
        yield compared(f"{name}_step_vs_plain", *times, batch, where())
        yield from list(shares(name, steps, times))[:1]


if __name__ == "__main__":
    alone(run, __doc__)
