"""The plan as a table: on the terminal, as csv, as markdown."""

import csv
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmr2ecg.plan.cohort import Cohort
from cmr2ecg.plan.cost import NOTHING, Cost, Gpu, Span
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.measure import Rates
from cmr2ecg.runtime.files import atomic

HOUR, PETA, GB = 3600.0, 1e15, 1e9
COLUMNS = ("rule", "jobs", "core-hours", "range", "GPU-hours", "range", "PFLOP", "disk GB", "memory GB")
CSV_COLUMNS = (
    *("rule", "jobs", "core_hours", "core_hours_low", "core_hours_high"),
    *("gpu_hours", "gpu_hours_low", "gpu_hours_high", "pflop", "disk_gb", "job_memory_gb"),
)


@dataclass(frozen=True)
class Row:
    """A rule's jobs together; memory is that of its largest job."""

    rule: str
    jobs: int = 0
    core_hours: Span = NOTHING
    gpu_hours: Span = NOTHING
    pflop: Span = NOTHING
    disk_gb: float = 0.0
    memory_gb: float = 0.0

    def plus(self, job: Job, cost: Cost) -> "Row":
        """Return the row with one job more."""
        return Row(
            self.rule,
            self.jobs + 1,
            self.core_hours + cost.seconds * (job.threads / HOUR),
            self.gpu_hours + cost.gpu_seconds * (1 / HOUR),
            self.pflop + cost.operations * (1 / PETA),
            self.disk_gb + cost.disk / GB,
            max(self.memory_gb, cost.memory / GB),
        )


def rows_of(costs: Iterable[tuple[Job, Cost]]) -> list[Row]:
    """Return a row for each step in the order of the work, and their total."""
    found = {"total": Row("total")}
    for job, cost in costs:
        for name in (job.step, "total"):
            found[name] = found.get(name, Row(name)).plus(job, cost)
    total = found.pop("total")
    return [*sorted(found.values(), key=lambda row: -row.core_hours.likely), total]


def cells(row: Row) -> list[str]:
    """Return a row's cells as text."""
    core, gpu = (
        [short(hours.likely), f"{short(hours.low)} to {short(hours.high)}"] for hours in (row.core_hours, row.gpu_hours)
    )
    trained = [*gpu, short(row.pflop.likely)] if row.gpu_hours.likely else ["-"] * 3
    return [row.rule, str(row.jobs), *core, *trained, short(row.disk_gb), short(row.memory_gb)]


def short(value: float) -> str:
    """Return a number with two digits that count: 0.0012, 3.4, 120, 12,000."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.3g}"


def written(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    table = [list(COLUMNS), *map(cells, rows)]
    name, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
    lines = ["  ".join([line[0].ljust(name), *map(str.rjust, line[1:], widths)]) for line in table]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write the table with all its digits."""
    with atomic(path) as partial, open(partial, "w", newline="") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(CSV_COLUMNS)
        for row in rows:
            hours = (value for span in (row.core_hours, row.gpu_hours) for value in (span.likely, span.low, span.high))
            values = (*hours, row.pflop.likely, row.disk_gb, row.memory_gb)
            table.writerow([row.rule, row.jobs, *(f"{value:.6g}" for value in values)])


def write_markdown(path: Path, rows: Sequence[Row]) -> None:
    """Write the table as markdown."""
    lines = [COLUMNS, ["---", *["---:"] * (len(COLUMNS) - 1)], *map(cells, rows)]
    with atomic(path) as partial:
        partial.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))


def summary(rows: Sequence[Row], cohort: Cohort, rates: Rates, gpu: Gpu) -> str:
    """Return the lines below the table: whom and what it holds for, and where its ranges come from."""
    total, split = rows[-1], cohort.split
    rest = sum((row.core_hours for row in rows[:-1] if not row.gpu_hours.likely), NOTHING)
    raw = cohort.files * sum(rates.raw_bytes.values()) / GB
    days = total.core_hours.likely / rates.cores / 24
    reached = " to ".join(
        short(pick((line.gflops for line in rates.trainings.values()), default=0.0)) for pick in (min, max)
    )
    paragraphs = (
        f"{cohort.subjects:,} subjects ({cohort.source}): {split['train']:,} train, {split['val']:,} val, "
        f"{split['test']:,} test.",
        f"On cores like these alone: {short(total.core_hours.likely)} core-hours, {short(days)} days on {rates.cores} "
        f"cores. With the trainings on a GPU: {short(total.gpu_hours.likely)} GPU-hours, and {short(rest.likely)} "
        "core-hours for the rest.",
        f"Measured here in {rates.seconds:.0f} s: {rates.cores} cores, {rates.precision}, {rates.side_by_side} job(s) "
        f"side by side of {rates.threads} thread(s); training steps reach {reached} GFLOP/s.",
        f"Assumed, not measured: a GPU of {gpu.tflops:g} TFLOP/s, of which {gpu.utilisation:.0%} are reached "
        "(--gpu-tflops, --utilisation).",
        f"Disk is that of results/; raw files like the synthetic ones would be {short(raw)} GB. Memory is that of a "
        "rule's largest job.",
        "Ranges: repeated steps and what a minute cannot see; early stopping (from patience + 1 to all epochs); more "
        "cores than were measured here; a factor of two for what has no benchmark and for the GPU. They are added up, "
        "as if all were wrong the same way.",
    )
    return "\n" + "\n".join(textwrap.fill(paragraph, 120) for paragraph in paragraphs)
