"""What one full reproduction of the paper costs, as `make plan` finds it here, and what it would cost plain."""

import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import harmonic_mean

from bench.rows import ENVIRONMENT, compared, read_rows
from bench.stage import report
from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.claims import UNIMODAL

CONFIG, SUBJECTS = "config/ukb.yaml", "40044"  # §IV-A
RATIOS = {  # rule -> rows of bench.json that say how many times longer the plain formulation takes
    "clean_ecg": ("clean_ecg_vs_spsolve",),
    "crop_cmr": ("crop_cmr_vs_full_decode",),
    "pretrain_mae": ("mae_step_vs_plain",),
    "pretrain_contrastive": tuple(f"{name}_step_vs_plain" for name in UNIMODAL),
    "pretrain_cmr": ("cmr_step_vs_plain",),
    "pretrain_mmcl": ("mmcl_step_vs_plain",),
    "finetune": ("finetune_step_vs_plain",),
    "sweep_tabular": ("xgboost_grid_vs_one_by_one",),
}


def add_reproduction(bench: Path) -> None:
    """Write bench_plan.csv and add the row reproduction_vs_plain to bench.json, from the ratios that are in it."""
    plan = bench.with_name("bench_plan.csv").resolve()
    command = [sys.executable, "-m", "cmr2ecg.plan", "--configfile", CONFIG, "--subjects", SUBJECTS, "--csv", str(plan)]
    subprocess.run(command, check=True, cwd=SOURCE.parent, env=ENVIRONMENT, stdout=sys.stderr)
    rows = {row["name"]: row for row in read_rows(bench)}
    row = row_of(read_plan(plan), rows)
    report([row])
    write_json(bench, list((rows | {row["name"]: row}).values()))


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
    note = (
        f"{total['jobs']:.0f} jobs, {total['core_hours_low']:.3g} to {total['core_hours_high']:.3g} core-hours; plain: "
        f"with the ratios measured here. On an assumed GPU {total['gpu_hours']:.3g} GPU-hours"
    )
    return compared("reproduction_vs_plain", total["core_hours"], plain, "core-hours", note, less=True)


def ratio_of(rule: str, rows: Mapping[str, dict]) -> float:
    """Return how many times longer a rule takes in the plain formulation, 1 where nothing was measured."""
    found = [rows[name]["ratio"] for name in RATIOS.get(rule, ()) if name in rows]
    return harmonic_mean(found) if found else 1.0
