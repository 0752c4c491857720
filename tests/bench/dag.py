"""How long Snakemake plans the whole study at full size: 40,044 subjects, every model, every sweep with its whole grid.

Makes an empty file for every raw file, asks `snakemake -n` what it would do, runs the index for real, tells Snakemake
to take empty files for what the further data steps write (--touch), asks again, and once more after a later delivery.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from paper_settings import paper_settings
from planned_study import PER_SHARD, Place, Plan, made_up_eids

from bench.rows import compared

SUBJECTS, ARRIVALS = 40_044, 500
LIMIT_SECONDS, LIMIT_MB = 60.0, 2048.0
OVERLAY: dict = {}  # further settings


def run() -> Iterator[dict]:
    """Yield time and memory of each plan against their limits, and how many shards a delivery plans against all."""
    every = paper_settings()["shards"] * len(PER_SHARD)
    everything = {"sweep": {"encoders": paper_settings()["finetune"]["encoders"]}}  # with its whole grid
    note = f"{SUBJECTS:,} subjects, all sweeps"
    with tempfile.TemporaryDirectory() as folder:
        place, eids = Place(Path(folder), everything | OVERLAY), made_up_eids(SUBJECTS + ARRIVALS)
        place.add(eids[:SUBJECTS])
        yield from rows_of("before_anything", place.plan(), note)
        place.finish_data()
        yield from rows_of("data_finished", place.plan(), note)
        place.add(eids[SUBJECTS:])
        delivered = place.plan()
        yield from rows_of("later_delivery", delivered, note)
    planned = sum(delivered.jobs.get(step, 0) for step in PER_SHARD)
    note = f"jobs of {', '.join(PER_SHARD)} for {ARRIVALS} new subjects; plain: eid modulo shards"
    yield compared("dag_shards_of_a_delivery", planned, every, "jobs", note, less=True)


def rows_of(name: str, plan: Plan, note: str) -> list[dict]:
    """Return a plan's time and memory against their limits."""
    note = f"{note}, {sum(plan.jobs.values()):,} jobs, {plan.cpu_seconds:.1f} s of computing; plain: the limit"
    return [
        compared(f"dag_{name}_seconds", plan.seconds, LIMIT_SECONDS, "s", note, less=True),
        compared(f"dag_{name}_memory", plan.peak_mb, LIMIT_MB, "MB", note, less=True),
    ]
