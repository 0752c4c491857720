"""What a step is told of the config: its own section as JSON, so that another section's change does not rerun it."""

import json
from collections.abc import Mapping
from typing import Any

from cmr2ecg.study.settings.base import Section
from cmr2ecg.study.settings.study import Settings

# Lists that say which jobs there are: one job more must not rerun the others.
PLANS = frozenset(
    {
        "encoders",
        "targets",
        "fractions",
        "phenotype_fractions",
        "tables",
        "supplements",
        "figures",
        "quality_figures",
        "overrides",
        "limits",
        "job",
        "draws",
    }
)


def as_json(settings: object) -> str:
    """Return settings as JSON that does not hang on the order of their keys."""
    return json.dumps(settings, sort_keys=True)


def without_plans(section: Section) -> dict[str, Any]:
    """Return a section as JSON has it, without the lists that say which jobs there are."""
    return {key: value for key, value in section.model_dump().items() if key not in PLANS}


def training_settings(settings: Settings, method: Mapping[str, Any], *networks: str) -> dict[str, Any]:
    """Return a training's settings: its method, the networks it uses and what the machine needs."""
    return {
        "method": method,
        "models": {name: network_sizes(settings, name) for name in networks},
        "device": settings.device,
        "precision": settings.precision,
    }


def network_sizes(settings: Settings, network: str) -> dict[str, Any]:
    """Return a network's sizes; the convolutional one reads the same leads and seconds as the transformer."""
    sizes = settings.models.model_dump(include={network})[network]
    if network != "ecg_cnn":
        return sizes
    return {**sizes, **settings.models.ecg_encoder.model_dump(include={"leads", "samples"})}


def runs_of(settings: Settings) -> dict[str, int]:
    """Return what a fit repeats beyond its seeds: each pre-training, and each draw of a small subset."""
    return {"blocks": len(settings.pretrain.seeds) or 1, "draws": settings.balance_subset.draws}


def balance_settings(settings: Settings, fraction: int) -> str:
    """Return the settings of a balanced subset; the whole one is not drawn again."""
    draws = 1 if fraction == 100 else settings.balance_subset.draws
    return as_json({**without_plans(settings.balance_subset), "draws": draws})


def release_settings(settings: Settings) -> str:
    """Return what a release needs to know of the config: sizes, cleaning, intervals, codes of the diseases."""
    tabular = settings.read_tabular
    own = bool(settings.recordings.table)
    told = tabular.diseases if tabular.layout == "ukb" or own else {}
    return as_json(
        {
            **settings.release.model_dump(include={"coverage", "onnx"}),
            "ecg_encoder": settings.models.ecg_encoder.model_dump(),
            "clean_ecg": settings.clean_ecg.model_dump(),
            "cohort": cohort_of(settings),
            "codes": {name: codes for name, codes in told.items() if name in settings.finetune.targets},
        }
    )


def cohort_of(settings: Settings) -> dict[str, Any]:
    """Return what a model card says of the cohort.

    kind: synthetic, ukb, or own for any other. coding: what the codes of its diseases are. several: what its rows are,
    recordings where a subject may have several. balanced: whether positives were as many as negatives in training.
    """
    named = settings.read_tabular.layout == "named"
    return {
        "kind": "synthetic" if settings.simulate_cohort.enabled else "own" if named else "ukb",
        "coding": "codes" if named else "ICD-10",
        "several": "recordings" if settings.recordings.subject else "subjects",
        "balanced": settings.balance_subset.balance == "pairs",
    }


def shareable(settings: Settings) -> str:
    """Return all settings without eids and paths of raw files, which may say where participants' data lie.

    What a cluster was asked for says nothing about the results.
    """
    shown = settings.model_dump(exclude={"cluster"})
    shown["raw"] = {key: f"{len(paths)} path(s)" for key, paths in settings.raw}
    shown["make_figure"]["eids"] = f"{len(settings.make_figure.eids)} subject(s)"
    return json.dumps(shown)
