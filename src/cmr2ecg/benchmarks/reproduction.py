"""What one full reproduction of the paper costs on the machine of a bench.json, from the rates measured there."""

from collections.abc import Mapping
from dataclasses import dataclass

from cmr2ecg.benchmarks.scale_cohort import PREVALENCE
from cmr2ecg.ukb.phenotypes import GROUPS

SUBJECTS, TRAIN = 40_044, 28_030  # §IV-A
WITH_PHENOTYPES = 0.5  # §IV-B
HOUR = 3600.0


@dataclass(frozen=True)
class Part:
    """A part of the study: what is counted, how many, the rate of the machine, and the hours that takes.

    fewest: hours if every fit with early stopping ends as soon as it may.
    """

    name: str
    unit: str
    count: float
    rate: float
    fewest: float
    hours: float


def parts(rows: Mapping[str, dict], config: dict) -> list[Part]:
    """Return the parts whose rates are in the rows; a part whose row is absent is left out.

    Args:
        rows: of bench.json by name.
        config: config/paper.yaml.
    """
    found = [*data_parts(rows), *pretrain_parts(rows, config), *finetune_parts(rows, config)]
    return [part for part in found if part.rate]


def part(name: str, unit: str, count: float, rate: float | None, fewest: float = 1.0) -> Part:
    """Return a part; fewest is the share of it that is done in any case."""
    hours = count / rate / HOUR if rate else 0.0
    return Part(name, unit, count, rate or 0.0, fewest * hours, hours)


def ours(rows: Mapping[str, dict], name: str) -> float | None:
    """Return our rate in a row, or None."""
    return rows[name]["ours"] if name in rows else None


def data_parts(rows: Mapping[str, dict]) -> list[Part]:
    """Return reading and cleaning, and cropping, on all cores of the machine."""
    reading, cleaning, cropping = (
        ours(rows, name) for name in ("read_ecg_of_expat", "clean_ecg_vs_spsolve", "crop_cmr_vs_full_decode")
    )
    clean = 1 / (1 / reading + 1 / cleaning) if reading and cleaning else None
    gains = {step: gain(rows, step) for step in ("clean_ecg", "crop_cmr")}
    return [
        part("clean_ecg", "ECGs", SUBJECTS, clean and clean * gains["clean_ecg"]),
        part("crop_cmr", "subjects", SUBJECTS, cropping and cropping * gains["crop_cmr"]),
    ]


def gain(rows: Mapping[str, dict], step: str) -> float:
    """Return how much faster all cores are than one."""
    counts = {
        int(name.rsplit("_", 1)[1]): row["ratio"] for name, row in rows.items() if name.startswith(f"cores_{step}_")
    }
    return counts[max(counts)] if counts else 1.0


def pretrain_parts(rows: Mapping[str, dict], config: dict) -> list[Part]:
    """Return every pre-training; MMCL is trained with each base learning rate, with and without MDM."""
    settings = config["pretrain"]
    epochs = {"mae": settings["mae"]["epochs"], "cmr": settings["cmr"]["epochs"]}
    epochs |= {name: own["epochs"] for name, own in settings["contrastive"].items()}
    epochs["mmcl"] = 2 * len(settings["mmcl"]["base_lrs"]) * settings["mmcl"]["epochs"]
    return [
        part(f"pretrain: {name}", "subjects", TRAIN * count, ours(rows, f"{name}_step_vs_plain"))
        for name, count in epochs.items()
    ]


def finetune_parts(rows: Mapping[str, dict], config: dict) -> list[Part]:
    """Return the fine-tunes of the ECG encoders, all seeds; those of images have no row of their own."""
    settings = config["finetune"]
    encoders = [name for name in settings["encoders"] if not name.startswith("cmr_")]
    passes = len(encoders) * len(settings["seeds"]) * settings["epochs"]
    balanced = sum(
        2 * share * TRAIN * fraction / 100
        for share in PREVALENCE.values()
        for fraction in config["balance_subset"]["fractions"]
    )
    grouped = len(GROUPS) * WITH_PHENOTYPES * TRAIN
    fewest, rate = (settings["patience"] + 1) / settings["epochs"], ours(rows, "finetune_step_vs_plain")
    return [
        part("fine-tunes of ECG encoders, diseases", "subjects", passes * balanced, rate, fewest),
        part("fine-tunes of ECG encoders, phenotypes", "subjects", passes * grouped, rate, fewest),
    ]
