"""Rewrite the tables of docs/benchmarks.md from what `make bench` and `make bench-scale` wrote: `make bench-docs`.

A block whose file is missing from results stays as it is.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from bench.reproduction import read_plan
from bench.scale import growths

PAGE = Path(__file__).with_name("benchmarks.md")
RESULTS = PAGE.parents[1] / "results"
SHOWN_FROM = 0.001  # share of all core-hours from which a rule has a line of its own
KINDS = {"memory_": "memory", "cores_": "cores", "two_workers": "none", "dag_": "dag", "predict_": "share"}


def main() -> None:
    """Rewrite the blocks whose files are there."""
    text = PAGE.read_text(encoding="utf-8")
    for block, (file, write) in BLOCKS.items():
        if (path := RESULTS / file).exists():
            start, end = f"<!-- {block}: written by docs/update_benchmarks.py -->", f"<!-- end of {block} -->"
            before, rest = text.split(start)
            found = json.loads(path.read_text()) if path.suffix == ".json" else read_plan(path)
            text = f"{before}{start}\n\n{write(found)}\n\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text, encoding="utf-8")


def table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns between the first and the last are numbers."""
    marks = ["---", *["---:"] * (len(heads) - 2), "---"]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (heads, marks, *lines))


def number(value: float) -> str:
    """Return three digits that count, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{float(f'{value:.3g}'):g}"


def kind_of(name: str) -> str:
    """Return the table a row of bench.json belongs to."""
    kinds = [kind for start, kind in KINDS.items() if name.startswith(start)]
    return (*kinds, "share" if "_of_" in name else "plain")[0]


def compared(kind: str, *heads: str) -> Callable[[list[dict]], str]:
    """Return what writes the rows of one kind: ratio, ours, plain, unit and note."""

    def write(rows: list[dict]) -> str:
        lines = []
        for row in (row for row in rows if kind_of(row["name"]) == kind):
            ratio = f"{row['ratio']:.0%}" if kind == "share" else number(row["ratio"])
            lines.append((f"`{row['name']}`", ratio, number(row["ours"]), number(row["plain"]), told(row)))
        return table(("benchmark", *heads, "of what, and how"), lines)

    return write


def told(row: dict) -> str:
    """Return a row's unit, its note, and what else was measured."""
    return "; ".join(text for text in (row.get("unit"), row["note"], row.get("told")) if text)


def subjects(rows: list[dict]) -> str:
    """Return seconds and peak memory of the steps at both sizes."""
    sizes, grown, lines = sorted({row["subjects"] for row in rows}), growths(rows), {}
    for name, group in groupby(sorted(rows, key=itemgetter("name", "subjects")), itemgetter("name")):
        of_size = {row["subjects"]: row for row in group}
        cells = [number(of_size[n][key]) if n in of_size else "" for key in ("seconds", "peak_mb") for n in sizes]
        largest = of_size[max(of_size)]
        limits = f"{number(largest['limit_seconds'])} s, {number(largest['limit_mb'])} MB"
        growth = number(round(grown[name])) if name in grown else ""
        lines[name] = (f"`{name}`", *cells, growth, limits, told(largest))
    heads = [f"{size:,}: {unit}" for unit in ("s", "MB") for size in sizes]
    recordings = f"Recordings: {rows[-1].get('recordings', 'none')}."
    ordered = [lines[name] for name in dict.fromkeys(row["name"] for row in rows)]
    return f"{recordings}\n\n{table(('step', *heads, 'MB for 10,000 further', 'limits', 'what is done'), ordered)}"


def cost(plan: list[dict]) -> str:
    """Return the plan of one reproduction: its dearest rules, and the total, which has the others too."""
    names = ("jobs", "core_hours", "core_hours_low", "core_hours_high", "gpu_hours", "disk_gb", "job_memory_gb")
    shown = [rule for rule in plan if rule["core_hours"] >= SHOWN_FROM * plan[-1]["core_hours"]]
    heads = ("rule", "jobs", "core-hours", "from", "to", "GPU-hours", "disk, GB", "memory of a job, GB", "")
    return table(heads, ((f"`{rule['rule']}`", *(number(rule[name]) for name in names), "") for rule in shown))


def machine(found: dict) -> str:
    """Return the machine, versions and commit in words."""
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return (
        f"{found['processor']}; {found['cores']} cores, {found['memory_gb']:g} GB; {found['system']}, Python "
        f"{found['python']}, {packages}. Commit {found['commit'][:12]}, {found['date']}; load when it began "
        f"{found['load_before']:g}."
    )


BLOCKS: dict[str, tuple[str, Callable]] = {
    "machine": ("bench_machine.json", machine),
    "plain": ("bench.json", compared("plain", "times better", "ours", "plain")),
    "share": ("bench.json", compared("share", "share", "reached", "limit")),
    "cores": ("bench.json", compared("cores", "times one core", "all", "one")),
    "memory": ("bench.json", compared("memory", "ratio", "more", "few")),
    "dag": ("bench.json", compared("dag", "times better", "measured", "limit")),
    "scale machine": ("bench_scale_machine.json", machine),
    "subjects": ("bench_scale.json", subjects),
    "cost": ("bench_plan.csv", cost),
}

if __name__ == "__main__":
    main()
