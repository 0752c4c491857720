"""What `make bench-scale` runs: the steps that see the whole cohort, their command lines and their limits."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from paper_settings import paper_settings

from bench.commands import command
from bench.made_up import study_files
from bench.rows import read_through
from bench.scale_cohort import SHARDS, Cohort, write_names
from bench.scale_study import study_arguments, write_study
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.training.checkpoint import save_weights

BUDGET_MB = 400  # of a training's data, so that both sizes are read from disk
PROBED = 2_000_000_000  # bytes read in order to learn what the disk gives


@dataclass(frozen=True)
class Work:
    """One row: processes run one after the other (module, arguments) and the limit of their time.

    before: makes the files that no other step does. after: clears up, and returns what the step says of itself.
    """

    name: str
    limit_s: float
    processes: list[list]
    note: str = ""
    budget_mb: float = 0.0
    before: Callable[[], object] = list
    after: Callable[[], list[str]] = list


def works(cohort: Cohort) -> Iterator[Work]:
    """Yield what is run, in the order of the workflow; the files of one step are there for the next."""
    yield from data_steps(cohort)
    yield stream(cohort)
    yield from trainings(cohort)
    yield from scores(cohort)


def data_steps(cohort: Cohort) -> Iterator[Work]:
    """Yield the listing of raw files, which are there by name alone, the joining of shards, split, subsets, audit."""
    own = cohort.folder

    def step(name: str, **values: object) -> list:
        return command(name, own, **values)[1:]

    def remove_names() -> list[str]:
        for kind in ("ecg", "cmr"):
            shutil.rmtree(own / kind)
        return []

    note = f"one of {SHARDS} jobs; each lists the names of all files"
    listing = [step("index_shard", shards=SHARDS)]
    yield Work("index_shard", 60, listing, note, 0, lambda: write_names(own, cohort.eids), remove_names)
    note = "reads every byte once, for the digest that says when the data change"
    yield Work("assemble_dataset", 300, [step("assemble_dataset")], note)
    yield Work("split_subjects", 30, [step("split_subjects")])
    pairs = [{"target": target, "fraction": fraction} for target in ("cad", "af", "dm") for fraction in (100, 10, 1)]
    subsets = [step("balance_subset", **pair) for pair in pairs]
    yield Work("balance_subset", 60, subsets, f"{len(subsets)} jobs in turn")
    yield Work("audit_leakage", 600, [step("audit_leakage")], "every recording compared with every other")


def stream(cohort: Cohort) -> Work:
    """Return the reading of an epoch, nothing trained, beside what the disk gives to a program that reads in order."""
    own, batch = cohort.folder, paper_settings()["pretrain"]["mmcl"]["batch_size"]

    def after() -> list[str]:
        found = json.loads((own / "stream.json").read_text())
        rate = f"{found['subjects'] / found['seconds']:,.0f} subjects or {found['gb_per_s']:.2f} GB a second"
        disk = disk_gb_per_s(cohort) if found["streamed"] else 0
        return [f"{rate}, {found['gb_per_s'] / disk:.0%} of the disk's {disk:.2f} in order"] if disk else []

    note = f"an epoch of ECG and image in random order, batches of {batch}, {BUDGET_MB} MB of memory for data"
    process = ["bench.stream", own / "dataset.h5", own / "split.csv", batch, BUDGET_MB, own / "stream.json"]
    return Work("stream_epoch", 600, [process], note, BUDGET_MB, after=after)


def forget_pages(paths: Sequence[Path]) -> None:
    """Ask the system to drop files from its file cache, so that they are read from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_gb_per_s(cohort: Cohort) -> float:
    """Return the rate of reading shards from first to last byte, out of no cache."""
    forget_pages(cohort.shards)
    done, begin = 0, time.perf_counter()
    for path in cohort.shards:
        done += read_through(path)
        if done > PROBED:
            break
    return done / (time.perf_counter() - begin) / 1e9


def trainings(cohort: Cohort) -> Iterator[Work]:
    """Yield an epoch of two pre-trainings on streamed data, and a probe, with the demo's networks on one core."""
    own, paper = cohort.folder, paper_settings()
    models = dict(paper["models"])
    for name, changed in yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())["models"].items():
        models[name] = {**models[name], **changed}

    def settings(method: dict, *networks: str) -> list:
        whole = {"method": method, "models": {name: models[name] for name in networks}, "device": "cpu"}
        words = ["--settings", json.dumps({**whole, "precision": "auto", "blocks": 1, "draws": 1})]
        return [*words, "--memory-mb", BUDGET_MB, "--threads", 1]

    def pretraining(section: str, limit: float, networks: tuple[str, ...], *also: object, **work: Callable) -> Work:
        method = {**paper["pretrain"][section], "epochs": 1}
        if rates := method.pop("base_lrs", None):
            method["base_lr"] = rates[0]

        def after() -> list[str]:
            found = json.loads((own / section / "result.json").read_text())
            return [f"waited for data {found['data_wait_share']:.1%} of {found['epoch_seconds']:.0f} s"]

        note = f"one epoch of the step, the demo's networks, batches of {method['batch_size']}, streamed"
        words = [*settings(method, *networks), "--dataset", own / "dataset.h5", "--split", own / "split.csv"]
        process = [f"cmr2ecg.steps.pretrain_{section}", *words, *also, "--output", own / section]
        return Work(f"pretrain_{section}", limit, [process], note, BUDGET_MB, after=after, **work)

    yield pretraining("mae", 600, ("ecg_encoder", "mae_decoder"))
    networks, weights = ("ecg_encoder", "cmr_encoder", "projector"), own / "cmr.safetensors"
    images = {"before": lambda: save_weights(weights, cmr_encoder(**models["cmr_encoder"]))}
    yield pretraining("mmcl", 900, networks, "--cmr-encoder", weights, **images)
    words = [*settings({**paper["probe"], "random_seeds": [0]}, "ecg_encoder"), *study_files(own)]
    words += ["--encoder", "random", "--fits", "cad/100", "lv/100", "wt/100", "--output", own / "probe"]
    note = "all subjects embedded once by the demo's network, streamed; three targets fitted"
    yield Work("probe", 600, [["cmr2ecg.steps.probe", *words]], note, BUDGET_MB)


def scores(cohort: Cohort) -> Iterator[Work]:
    """Yield the scoring of simulated predictions of the whole study, and its tables."""
    study = cohort.folder / "study"
    words = ["--settings", json.dumps(paper_settings()["evaluate"]), "--threads", 2, "--output", study / "evaluate"]
    words += study_arguments(study)
    note = "predictions of every model, target and seed of the paper"
    made = {"before": lambda: write_study(study, len(cohort.eids))}
    yield Work("evaluate", 600, [["cmr2ecg.steps.evaluate", *words]], note, **made)
    tables = [
        ["cmr2ecg.steps.make_table", "--table", table, "--evaluated", study / "evaluate"]
        + [word for kind in ("csv", "md", "tex", "html") for word in (f"--{kind}", study / f"{table}.{kind}")]
        for table in (*LAYOUTS, *SUPPLEMENTS)
    ]
    yield Work("make_table", 180, tables, f"{len(tables)} tables in turn", after=lambda: shutil.rmtree(study) or [])
