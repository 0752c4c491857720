"""Rewrite the numbers of docs/benchmarks.md from what was measured: `make bench-docs`.

results/bench.json, bench_machine.json and bench_plan.csv are written by `make bench`, results/bench_scale.json and
bench_scale_machine.json by `make bench-scale`. A block whose file is missing stays as it is.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from cmr2ecg.benchmarks.reproduction import read_plan
from cmr2ecg.benchmarks.scale import BEYOND_MB, GROWTH_MB, growths

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/benchmarks.md"
RESULTS = ROOT / "results"
SHOWN_FROM = 0.001  # share of all core-hours from which a rule has a line of its own
OLDER_NAMES = ("two_workers",)  # of rows that stand under another name too
SHARES = ("predict_demo", "predict_paper_size")  # whose plain is what our time holds at least


def main() -> None:
    """Rewrite the blocks whose files are there."""
    text = PAGE.read_text(encoding="utf-8")
    for block, (file, write) in BLOCKS.items():
        if (RESULTS / file).exists():
            text = replaced(text, block, write(read(RESULTS / file)))
    PAGE.write_text(text, encoding="utf-8")


def read(path: Path) -> object:
    """Return what a JSON file holds, or the rows of a plan."""
    return json.loads(path.read_text()) if path.suffix == ".json" else read_plan(path)


def replaced(text: str, block: str, content: str) -> str:
    """Return the page's text with a block between its two comments replaced."""
    start, end = f"<!-- {block}: written by docs/update_benchmarks.py -->", f"<!-- end of {block} -->"
    before, rest = text.split(start)
    return f"{before}{start}\n\n{content}\n\n{end}{rest.split(end)[1]}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns between the first and the last are numbers."""
    marks = ["---", *["---:"] * (len(heads) - 2), "---"]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (heads, marks, *rows))


def number(value: float) -> str:
    """Return three digits that count, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def kind_of(row: dict) -> str:
    """Return the table a row of bench.json belongs to."""
    name = row["name"]
    if name in OLDER_NAMES:
        return ""
    if name.startswith(("memory_", "cores_", "dag_")):
        return name.split("_")[0]
    return "share" if "_of_" in name or name in SHARES else "plain"


def of_kind(rows: list[dict], kind: str) -> list[dict]:
    """Return the rows of one table."""
    return [row for row in rows if kind_of(row) == kind]


def plain(rows: list[dict]) -> str:
    """Return ours against the plain formulation."""
    return table(
        ("benchmark", "times better", "ours", "plain", "of what, and how"),
        (
            (f"`{row['name']}`", number(row["ratio"]), number(row["ours"]), number(row["plain"]), told(row))
            for row in of_kind(rows, "plain")
        ),
    )


def told(row: dict) -> str:
    """Return a row's unit and note."""
    return f"{row['unit']}; {row['note']}"


def dag(rows: list[dict]) -> str:
    """Return what planning the whole study takes, against its limits."""
    return table(
        ("plan", "measured", "limit", "of what"),
        (
            (f"`{row['name'].removeprefix('dag_')}`", number(row["ours"]), number(row["plain"]), told(row))
            for row in of_kind(rows, "dag")
        ),
    )


def share(rows: list[dict]) -> str:
    """Return the share of the machine's limit."""
    return table(
        ("benchmark", "share", "reached", "limit", "of what"),
        (
            (f"`{row['name']}`", f"{row['ratio']:.0%}", number(row["ours"]), number(row["plain"]), told(row))
            for row in of_kind(rows, "share")
        ),
    )


def cores(rows: list[dict]) -> str:
    """Return the gain of further cores."""
    found = of_kind(rows, "cores")
    if not found:
        return "The machine of these measurements has one core."
    split = [(row, *row["name"].removeprefix("cores_").rsplit("_", 1)) for row in found]
    return table(
        ("work", "cores", "times one core", "of the limit", "how"),
        (
            (f"`{name}`", count, number(row["ratio"]), f"{row['ratio'] / int(count):.0%}", told(row))
            for row, name, count in split
        ),
    )


def memory(rows: list[dict]) -> str:
    """Return the peaks of the data steps at two small sizes."""
    return table(
        ("step", "few, MB", "more, MB", "ratio", "what is compared"),
        (
            (
                f"`{row['name'].removeprefix('memory_')}`",
                *map(number, (row["plain"], row["ours"], row["ratio"])),
                row["note"],
            )
            for row in of_kind(rows, "memory")
        ),
    )


def subjects(rows: list[dict]) -> str:
    """Return seconds and peak memory of the steps at both sizes."""
    grown = growths(rows)
    names = list(dict.fromkeys(row["name"] for row in rows))
    by_name = {name: list(group) for name, group in groupby(sorted(rows, key=itemgetter("name")), itemgetter("name"))}
    sizes = sorted({row["subjects"] for row in rows})
    heads = [f"{size:,}: {what}" for what in ("s", "MB") for size in sizes]
    lines = []
    for name in names:
        of_size = {row["subjects"]: row for row in by_name[name]}
        largest = of_size[max(of_size)]
        measured = [
            number(of_size[size][what]) if size in of_size else "" for what in ("seconds", "peak_mb") for size in sizes
        ]
        limit = f"{number(largest['limit_seconds'])} s, {number(largest['limit_mb'])} MB"
        growth = number(round(grown[name])) if name in grown else ""
        lines.append((f"`{name}`", *measured, growth, limit, also(largest)))
    recordings = next((row["recordings"] for row in reversed(rows) if "recordings" in row), "none")
    rule = (
        f"Recordings: {recordings}. No step may take more than {BEYOND_MB:,} MB beyond its budget for data, nor grow "
        f"by more than {GROWTH_MB} MB for 10,000 further subjects; `make bench-scale` fails where one does."
    )
    return "\n\n".join(
        [rule, table(("step", *heads, "MB for 10,000 further", "limits at full size", "what is done"), lines)]
    )


def also(row: dict) -> str:
    """Return a row's note with what a training or the reading says of itself."""
    text = row["note"]
    if "cpu_seconds" in row:
        text += f"; {number(row['cpu_seconds'])} s of the processor"
    if "data_wait_share" in row:
        text += f"; waited for data {row['data_wait_share']:.1%} of {row['epoch_seconds']:.0f} s"
    if "gb_per_s" in row:
        text += (
            f"; {row['subjects_per_s']:,} subjects or {row['gb_per_s']:.2f} GB a second, "
            f"{row['gb_per_s'] / row['disk_gb_per_s']:.0%} of the disk's {row['disk_gb_per_s']:.2f} in order"
        )
    return text


def cost(plan: list[dict]) -> str:
    """Return the plan of one reproduction, rule by rule."""
    *rules, total = plan
    shown = [rule for rule in rules if rule["core_hours"] >= SHOWN_FROM * total["core_hours"]]
    rest = len(rules) - len(shown)
    lines = [cost_line(rule) for rule in (*shown, total)]
    heads = ("rule", "jobs", "core-hours", "from", "to", "GPU-hours", "disk, GB", "memory of a job, GB", "")
    rule = f"{rest} rules with less than {SHOWN_FROM:.1%} of the core-hours each are in the total alone."
    return f"{table(heads, lines)}\n\n{rule}"


def cost_line(rule: dict) -> list[str]:
    """Return the cells of one rule."""
    names = ("jobs", "core_hours", "core_hours_low", "core_hours_high", "gpu_hours", "disk_gb", "job_memory_gb")
    return [f"`{rule['rule']}`", *(number(rule[name]) for name in names), ""]


def machine(found: dict) -> str:
    """Return the machine, versions and commit in words."""
    versions = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return (
        f"{found['processor']}; {found['cores']} cores, {found['memory_gb']:g} GB; {found['system']}, "
        f"Python {found['python']}, {versions}. Commit {found['commit'][:12]}, {found['date']}; load when it began "
        f"{found['load_before']:g}."
    )


BLOCKS: dict[str, tuple[str, Callable]] = {
    "machine": ("bench_machine.json", machine),
    "plain": ("bench.json", plain),
    "share": ("bench.json", share),
    "cores": ("bench.json", cores),
    "memory": ("bench.json", memory),
    "dag": ("bench.json", dag),
    "scale machine": ("bench_scale_machine.json", machine),
    "subjects": ("bench_scale.json", subjects),
    "cost": ("bench_plan.csv", cost),
}


if __name__ == "__main__":
    main()
