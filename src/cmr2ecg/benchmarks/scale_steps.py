"""What `make bench-scale` runs: the steps that see the whole cohort, their command lines and their limits."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from cmr2ecg.benchmarks.scale_cohort import SHARDS, Cohort, write_names
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.training.checkpoint import save_weights

BUDGET_MB = 400  # of a training's data, so that both sizes are read from disk
PROBED = 2_000_000_000  # bytes read in order to learn what the disk gives


@dataclass(frozen=True)
class Work:
    """One row: processes run one after the other, the limit of their time, and what is told of them afterwards."""

    name: str
    limit_s: float
    processes: list[tuple[str, list]]
    budget_mb: float = 0.0
    note: str = ""
    told: Callable[[], dict] = dict


def works(cohort: Cohort) -> Iterator[Work]:
    """Yield what is run, in the order of the workflow; the files of one step are there for the next."""
    yield index(cohort)
    yield assemble(cohort)
    yield from divide(cohort)
    yield stream(cohort)
    yield from trainings(cohort)


def given(section: str) -> list:
    """Return a section of the paper's config as an argument."""
    return ["--settings", json.dumps(paper_settings()[section])]


def index(cohort: Cohort) -> Work:
    """Return the listing of all raw files, which are there by name alone."""
    own, raw = cohort.own, cohort.own / "raw"
    write_names(raw, cohort.eids)
    files = ["--shard", 0, "--shards", SHARDS, "--ecg", raw / "ecg", "--cmr", raw / "cmr"]
    files += ["--visits", own / "shard.parquet", "--flow", own / "shard.csv", *given("index_cohort")]

    def told() -> dict:
        shutil.rmtree(raw)
        return {}

    note = f"one of {SHARDS} jobs; each lists the names of all files"
    return Work("index_shard", 60, [("steps.index_shard", files)], note=note, told=told)


def assemble(cohort: Cohort) -> Work:
    """Return the joining of the shards."""
    files = ["--index-flow", cohort.own / "index_flow.csv", "--labels", cohort.own / "labels.parquet"]
    for name in ("ecg", "cmr"):
        files += [f"--{name}", *cohort.files(name + "_{}.h5"), f"--{name}-qc", *cohort.files(name + "_{}.csv")]
    files += ["--output", cohort.own / "dataset.h5", "--flow", cohort.own / "flow.csv"]
    note = "reads every byte once, for the digest that says when the data change"
    return Work("assemble_dataset", 300, [("steps.assemble_dataset", files)], note=note)


def divide(cohort: Cohort) -> Iterator[Work]:
    """Yield split, subsets and the audit of both."""
    own = cohort.own
    dataset, split, labels = own / "dataset.h5", own / "split.csv", own / "labels.parquet"
    files = ["--dataset", dataset, "--labels", labels, "--output", split]
    yield Work("split_subjects", 30, [("steps.split_subjects", [*given("split_subjects"), *files])])
    tables = [*given("balance_subset"), "--values", labels, "--split", split]
    pairs = [(target, fraction) for target in ("cad", "af", "dm") for fraction in (100, 10, 1)]
    jobs = [
        [*tables, "--target", target, "--fraction", fraction, "--output", own / f"{target}_{fraction}.csv"]
        for target, fraction in pairs
    ]
    yield Work("balance_subset", 60, [("steps.balance_subset", job) for job in jobs], note=f"{len(jobs)} jobs in turn")
    files = ["--dataset", dataset, "--split", split, "--labels", labels, "--visits", own / "visits.parquet"]
    files += ["--output", own / "audit.json", "--duplicates", own / "duplicates.csv"]
    note = "every recording compared with every other"
    yield Work("audit_leakage", 600, [("steps.audit_leakage", [*given("audit_leakage"), *files])], note=note)


def stream(cohort: Cohort) -> Work:
    """Return the reading of an epoch, nothing trained, beside what the disk gives to a program that reads in order."""
    own = cohort.own
    batch = paper_settings()["pretrain"]["mmcl"]["batch_size"]
    files = ["--dataset", own / "dataset.h5", "--split", own / "split.csv", "--batch", batch, "--memory-mb", BUDGET_MB]
    files += ["--output", own / "stream.json"]

    def told() -> dict:
        found = json.loads((own / "stream.json").read_text())
        if not found["streamed"]:
            return {"epoch_subjects": found["subjects"]}
        rate = {"epoch_subjects": found["subjects"], "subjects_per_s": round(found["subjects"] / found["seconds"])}
        return rate | {"gb_per_s": round(found["gb_per_s"], 3), "disk_gb_per_s": round(disk_gb_per_s(cohort), 3)}

    note = f"an epoch of ECG and image in random order, batches of {batch}, {BUDGET_MB} MB of memory for data"
    return Work("stream_epoch", 600, [("benchmarks.stream", files)], BUDGET_MB, note, told)


def forget_pages(cohort: Cohort) -> None:
    """Ask the system to drop the shards from its file cache, so that they are read from the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in (*cohort.files("ecg_{}.h5"), *cohort.files("cmr_{}.h5")):
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_gb_per_s(cohort: Cohort) -> float:
    """Return the rate of reading shards from first to last byte, out of no cache."""
    forget_pages(cohort)
    done, begin = 0, time.perf_counter()
    for path in cohort.files("cmr_{}.h5"):
        with open(path, "rb", buffering=0) as handle:
            while block := handle.read(1 << 22):
                done += len(block)
        if done > PROBED:
            break
    return done / (time.perf_counter() - begin) / 1e9


def trainings(cohort: Cohort) -> Iterator[Work]:
    """Yield an epoch of two pre-trainings on streamed data, and a probe, with the demo's networks on one core."""
    own, settings = cohort.own, paper_settings()
    models = {**settings["models"]}
    for name, changed in yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())["models"].items():
        models[name] = {**models[name], **changed}
    files = ["--dataset", own / "dataset.h5", "--split", own / "split.csv", "--memory-mb", BUDGET_MB, "--threads", 1]

    def chosen(method: dict, *networks: str) -> list:
        whole = {"method": method, "models": {name: models[name] for name in networks}}
        return [
            "--settings",
            json.dumps({**whole, "device": "cpu", "precision": "auto", "blocks": 1, "draws": 1}),
            *files,
        ]

    def pretrained(section: str, limit: float, networks: tuple[str, ...], *also: object) -> Work:
        method = {**settings["pretrain"][section], "epochs": 1}
        if rates := method.pop("base_lrs", None):
            method["base_lr"] = rates[0]
        arguments = [*chosen(method, *networks), *also, "--output", own / section]
        note = f"one epoch of the step, the demo's networks, batches of {method['batch_size']}, streamed"
        step = f"pretrain_{section}"
        return Work(step, limit, [(f"steps.{step}", arguments)], BUDGET_MB, note, lambda: waited(own / section))

    yield pretrained("mae", 600, ("ecg_encoder", "mae_decoder"))
    save_weights(own / "cmr.safetensors", cmr_encoder(**models["cmr_encoder"]))
    networks = ("ecg_encoder", "cmr_encoder", "projector")
    yield pretrained("mmcl", 900, networks, "--cmr-encoder", own / "cmr.safetensors")
    tables = ["--labels", own / "labels.parquet", "--phenotypes", own / "phenotypes.parquet", "--subsets", own]
    arguments = [*chosen({**settings["probe"], "random_seeds": [0]}, "ecg_encoder"), *tables]
    arguments += ["--encoder", "random", "--fits", "cad/100", "lv/100", "wt/100", "--output", own / "probe"]
    note = "all subjects embedded once by the demo's network, streamed; three targets fitted"
    yield Work("probe", 600, [("steps.probe", arguments)], BUDGET_MB, note)


def waited(folder: Path) -> dict:
    """Return what a training says of its waiting for data."""
    result = json.loads((folder / "result.json").read_text())
    return {name: result[name] for name in ("epoch_seconds", "data_wait_share")}
