"""What a step is told of the config: its own section as JSON, so that another section's change does not rerun it."""

import json
from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]
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


def without_plans(section: Config) -> dict[str, Any]:
    """Return a section without the lists that say which jobs there are."""
    return {key: value for key, value in section.items() if key not in PLANS}


def training_settings(config: Config, method: Config, *networks: str) -> dict[str, Any]:
    """Return a training's settings: its method, the networks it uses and what the machine needs."""
    return {
        "method": method,
        "models": {name: network_sizes(config, name) for name in networks},
        "device": config["device"],
        "precision": config["precision"],
    }


def network_sizes(config: Config, network: str) -> dict[str, Any]:
    """Return a network's sizes; the convolutional one reads the same leads and seconds as the transformer."""
    sizes = config["models"][network]
    if network != "ecg_cnn":
        return sizes
    return {**sizes, **{key: config["models"]["ecg_encoder"][key] for key in ("leads", "samples")}}


def runs_of(config: Config) -> dict[str, int]:
    """Return what a fit repeats beyond its seeds: each pre-training, and each draw of a small subset."""
    return {"blocks": len(config["pretrain"]["seeds"] or [None]), "draws": config["balance_subset"]["draws"]}


def balance_settings(config: Config, fraction: int) -> str:
    """Return the settings of a balanced subset; the whole one is not drawn again."""
    section = without_plans(config["balance_subset"])
    return as_json({**section, "draws": 1 if fraction == 100 else runs_of(config)["draws"]})


def release_settings(config: Config) -> str:
    """Return what a release needs to know of the config: sizes, cleaning, intervals, codes of the diseases."""
    section, tabular = config["release"], config["read_tabular"]
    told = tabular["diseases"] if tabular["layout"] == "ukb" else {}
    return as_json(
        {
            "coverage": section["coverage"],
            "onnx": section["onnx"],
            "ecg_encoder": config["models"]["ecg_encoder"],
            "clean_ecg": config["clean_ecg"],
            "codes": {name: codes for name, codes in told.items() if name in config["finetune"]["targets"]},
        }
    )


def shareable(config: Config) -> str:
    """Return the whole config without eids and paths of raw files, which may say where participants' data lie.

    What a cluster was asked for says nothing about the results.
    """
    shown = {key: value for key, value in config.items() if key != "cluster"}
    raw = {key: f"{len(paths)} path(s)" for key, paths in config["raw"].items()}
    figures = {**config["make_figure"], "eids": f"{len(config['make_figure']['eids'])} subject(s)"}
    return json.dumps({**shown, "raw": raw, "make_figure": figures})
