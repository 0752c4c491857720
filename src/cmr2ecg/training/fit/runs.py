"""The runs of a fit: each with a seed, a pre-training that it starts from, and a draw of its training subset."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cmr2ecg.study.targets import WHOLE

BEYOND = 1000  # added to the seeds when there are more runs than seeds


@dataclass(frozen=True)
class Run:
    """One training.

    seed: of head, order and augmentation; it names the run in predictions.parquet.
    block: number of the pre-training; runs of one block share it. A model without a pre-training has the same blocks,
        so that runs of two models can be paired.
    draw: number of the training subset.
    """

    seed: int
    block: int = 0
    draw: int = 0


def runs_of(seeds: Sequence[int], *, blocks: int = 1, draws: int = 1) -> list[Run]:
    """Return the runs of a fit: one a seed, or one a draw where there are several draws, at least one a block.

    Run i takes the i-th of each, from the start again where one has run out; a seed that comes up again is raised by
    1000, so that no two runs are the same.

    Args:
        seeds: of the config.
        blocks: pre-trainings that differ in their seed alone.
        draws: training subsets; 1 where all subjects are trained on.
    """
    count = draws if draws > 1 else max(len(seeds), blocks)
    return [Run(seeds[i % len(seeds)] + BEYOND * (i // len(seeds)), i % blocks, i % draws) for i in range(count)]


def planned_runs(seeds: Sequence[int], settings: Mapping, fraction: int) -> list[Run]:
    """Return the runs of a fit: only what is trained on fewer than all is drawn more than once.

    settings: of the step, with `blocks` and `draws`.
    """
    return runs_of(seeds, blocks=settings["blocks"], draws=1 if fraction == WHOLE else settings["draws"])


def draws_of(runs: Sequence[Run]) -> list[int]:
    """Return the draws of the training subset that some runs are made on, in their order."""
    return [*dict.fromkeys(run.draw for run in runs)]


def described(runs: Sequence[Run]) -> list[dict[str, int]]:
    """Return the runs as result.json holds them."""
    return [asdict(run) for run in runs]
