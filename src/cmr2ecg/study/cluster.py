"""Memory and time that a job asks a cluster for: a base, more with the subjects, and once more with each attempt.

Nothing heavy is imported: Snakemake reads this at each start.
"""

import math
from typing import Literal

from cmr2ecg.study.settings.run import Cluster, Need

Kind = Literal["small", "shard", "cohort", "pretrain", "fit"]


def job_memory_mb(
    cluster: Cluster,
    kind: Kind,
    subjects: float,
    attempt: int,
    held_mb: float = math.inf,
    processes: int = 1,
) -> int:
    """Return MB of memory for one job.

    Args:
        cluster: the section of that name.
        kind: of job, a key of the section.
        subjects: whose data the job works on.
        attempt: 1 for a job's first start, 2 for its first retry.
        held_mb: most that the job holds of the subjects' data; it streams what is beyond.
        processes: of the job; each takes the base, they share the data.
    """
    need: Need = getattr(cluster, kind)
    data = min(need.memory_mb_per_1000 * subjects / 1000, held_mb)
    return min(math.ceil(attempt * (processes * need.memory_mb + data)), cluster.most_memory_mb)


def job_minutes(cluster: Cluster, kind: Kind, subjects: float, attempt: int, fits: float = 1) -> int:
    """Return minutes for one job that does `fits` trainings, one after the other; arguments as above."""
    need: Need = getattr(cluster, kind)
    whole = attempt * (need.minutes + fits * need.minutes_per_1000 * subjects / 1000)
    return min(math.ceil(whole), cluster.most_minutes)
