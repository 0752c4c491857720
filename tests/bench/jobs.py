"""What it spares that seeds and trials share a job: five seeds in one, a pack of trials in one."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from paper_settings import paper_settings

from bench.made_up import study_files, write_study
from bench.rows import compared, spent
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.sweep_grid import combinations
from cmr2ecg.sweeps.cost import startup_share

SEEDS, EPOCHS = [0, 101, 202, 303, 404], 5  # of the seeds, with the demo's networks
TRIAL_SUBJECTS, TRIAL_EPOCHS, NETWORK = 96, 4, {}  # of the sweep; {} leaves the network at the paper's size


def run() -> Iterator[dict]:
    """Yield seeds_in_one_job (seeds a second) and sweep_startup_share."""
    with tempfile.TemporaryDirectory() as folder:
        yield seeds(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield trials(Path(folder))


def encoder(changes: dict) -> dict:
    """Return the sizes of the paper's ECG encoder with some changed."""
    return {"ecg_encoder": {**paper_settings()["models"]["ecg_encoder"], **changes}}


def seeds(folder: Path) -> dict:
    """Time the fine-tuning step with five seeds, and five times with one."""
    write_study(folder, {"train": 32, "val": 32, "test": 32})
    demo = yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())["models"]["ecg_encoder"]

    def seconds(jobs: list[list[int]]) -> float:
        return sum(finetune(job, folder / f"{len(jobs)}_{number}") for number, job in enumerate(jobs))

    def finetune(job: list[int], output: Path) -> float:
        method = {**paper_settings()["finetune"], "seeds": job, "epochs": EPOCHS, "minimum_steps": 1}
        settings = {"method": method, "models": encoder(demo), "device": "cpu", "precision": "auto"}
        words = ["--settings", json.dumps({**settings, "blocks": 1, "draws": 1}), *study_files(folder)]
        words += ["--encoder", "supervised", "--fits", "cad/100", "--log", folder / "log", "--output", output]
        return spent("-m", "cmr2ecg.steps.finetune", *words).seconds

    ours, plain = (len(SEEDS) / seconds(jobs) for jobs in ([SEEDS], [[seed] for seed in SEEDS]))
    note = f"the demo's networks, 32 training subjects, {EPOCHS} epochs; what is saved is start-up and reading"
    return compared("seeds_in_one_job", ours, plain, "seeds/s", note)


def trials(folder: Path) -> dict:
    """Return the share of start-up in a job of trials_per_job trials, and in one with a single trial.

    The trials are short ones, so both shares are far above those of a real sweep; docs/sweeps.md gives the formula.
    """
    sweep, count = paper_settings()["sweep"], paper_settings()["sweep"]["trials_per_job"]
    write_study(folder, {"train": TRIAL_SUBJECTS, "val": 32})
    chosen = combinations(sweep["grid"])[:count]
    packed, single = (cost_of(folder, chosen[:size], sweep) for size in (count, 1))
    each = packed["training_seconds"] / count
    enough = int(np.ceil(9 * packed["startup_seconds"] / each))
    note = (
        f"{count} trials a job against one, {each:.1f} s a trial ({TRIAL_SUBJECTS} subjects, {TRIAL_EPOCHS} epochs, "
        f"paper's network), start-up {packed['startup_seconds']:.1f} s; {enough} such trials bring it under 10 %"
    )
    shares = startup_share([packed]), startup_share([single])
    return compared("sweep_startup_share", *shares, "share of the job", note, less=True)


def cost_of(folder: Path, chosen: list[dict], sweep: dict) -> dict:
    """Run the sweep step on some trials and return what it cost."""
    left_out = {*sweep["grid"], "encoders", "targets", "overrides", "seeds", "keep_checkpoints"}
    method = {key: value for key, value in paper_settings()["finetune"].items() if key not in left_out}
    method |= {"minimum_steps": 1, "validation_interval": 1}
    plan = {"rung": 0, "pack": len(chosen), "epochs": TRIAL_EPOCHS, "seeds": [0], "trials": chosen}
    plan |= {"promoted": len(chosen), "first": 0, "last": len(chosen)}
    settings = {"method": method, "sweep": plan, "device": "auto", "precision": "auto", "models": encoder(NETWORK)}
    own = folder / str(len(chosen))
    files = {"finished": own / "finished", "output": own / "pack.json", "cost": own / "cost.json"}
    words = ["--settings", json.dumps(settings), *study_files(folder)]
    words += [word for name, path in files.items() for word in (f"--{name}", path)]
    words += ["--encoder", "supervised", "--target", "cad", "--threads", 2, "--log", own / "sweep.log"]
    spent("-m", "cmr2ecg.steps.sweep", *words)
    return json.loads((own / "cost.json").read_text())
