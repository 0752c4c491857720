"""What one full reproduction of the paper costs, as `make plan` finds it on this machine, and what it would cost plain.

`python -m cmr2ecg.benchmarks.reproduction` adds the row to results/bench.json, from the ratios that are in it, and
writes results/bench_plan.csv.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import harmonic_mean

from cmr2ecg.benchmarks.rows import read_rows, report
from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.training.pretrain.contrastive import OBJECTIVES

CONFIG, SUBJECTS = "config/ukb.yaml", 40_044  # §IV-A
RATIOS = {  # rule -> rows of bench.json that say how many times longer the plain formulation takes
    "clean_ecg": ("clean_ecg_vs_spsolve",),
    "crop_cmr": ("crop_cmr_vs_full_decode",),
    "pretrain_mae": ("mae_step_vs_plain",),
    "pretrain_contrastive": tuple(f"{name}_step_vs_plain" for name in OBJECTIVES),
    "pretrain_cmr": ("cmr_step_vs_plain",),
    "pretrain_mmcl": ("mmcl_step_vs_plain",),
    "finetune": ("finetune_step_vs_plain",),
    "sweep_tabular": ("xgboost_grid_vs_one_by_one",),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Plan the study and add the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, default=Path("results/bench.json"))
    args = parser.parse_args(argv)
    rows = {row["name"]: row for row in read_rows(args.bench)}
    path = args.bench.with_name("bench_plan.csv")
    write_plan(path.resolve())
    (row,) = report([row_of(read_plan(path), rows)], None)
    write_json(args.bench, list((rows | {row["name"]: row}).values()))


def write_plan(path: Path) -> None:
    """Write the plan of the paper's study as csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cmr2ecg.plan", "--configfile", CONFIG, "--subjects", str(SUBJECTS)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    subprocess.run([*command, "--csv", str(path)], check=True, cwd=SOURCE.parent, env=environment, stdout=sys.stderr)


def read_plan(path: Path) -> list[dict]:
    """Return the plan's rows, one a rule, "total" the last, numbers as such."""
    with open(path, newline="") as handle:
        return [
            {name: value if name == "rule" else float(value) for name, value in row.items()}
            for row in csv.DictReader(handle)
        ]


def row_of(plan: Sequence[Mapping], rows: Mapping[str, dict]) -> dict:
    """Return the row reproduction_vs_plain, in core-hours; a rule without measured ratio counts the same in both."""
    *rules, total = plan
    plain = sum(rule["core_hours"] * ratio_of(rule["rule"], rows) for rule in rules)
    ours = total["core_hours"]
    note = (
        f"{total['jobs']:.0f} jobs, {total['core_hours_low']:.3g} to {total['core_hours_high']:.3g} core-hours; plain: "
        f"with the ratios measured here. On an assumed GPU {total['gpu_hours']:.3g} GPU-hours"
    )
    row = {"name": "reproduction_vs_plain", "ours": ours, "plain": plain, "unit": "core-hours"}
    return {**row, "ratio": plain / ours, "note": note}


def ratio_of(rule: str, rows: Mapping[str, dict]) -> float:
    """Return how many times longer a rule takes in the plain formulation, 1 where nothing was measured."""
    found = [rows[name]["ratio"] for name in RATIOS.get(rule, ()) if name in rows]
    return harmonic_mean(found) if found else 1.0


if __name__ == "__main__":
    main()
