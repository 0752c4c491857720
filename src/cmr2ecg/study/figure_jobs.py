"""Which figures there are, and the files and settings that each needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmr2ecg.study import files
from cmr2ecg.study.ablations import ablations_of, varied
from cmr2ecg.study.fit_jobs import fraction_of, target_of
from cmr2ecg.study.pretraining_jobs import MMCL_PARTS
from cmr2ecg.study.sections import Config, as_json
from cmr2ecg.study.targets import PHENOTYPE_GROUPS

Inputs = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Figure:
    """What one figure is drawn from: files by name, keys of the section make_figure beside dpi, and other settings."""

    inputs: Inputs
    keys: Sequence[str] = ()
    settings: Mapping[str, Any] | None = None

    def told(self, config: Config) -> str:
        """Return the settings of the figure as JSON."""
        own = {key: config["make_figure"][key] for key in ("dpi", *self.keys)}
        return as_json({**own, **(self.settings or {})})


def mapped(config: Config) -> dict[str, list[str]]:
    """Return the networks whose similarity maps (§III-C) are drawn: MMCL with and without MDM, if trained here."""
    fitted = config["finetune"]["encoders"] + config["probe"]["encoders"]
    names = ("mmcl", "mmcl_without_mdm")
    return {name: _networks(name) for name in names if name in fitted and not config["init"].get(name)}


def measured(config: Config) -> dict[str, list[str]]:
    """Return the networks whose maps are measured: those that are drawn, and controls whose pairs were shuffled."""
    shuffled = [name for name, changes in ablations_of(config).items() if changes.get("shuffle_images")]
    return mapped(config) | {name: _networks(name) for name in shuffled}


def figures(config: Config, fits: Sequence[str]) -> list[str]:
    """Return the names of the figures; fits: the folders of all fits of encoders."""
    drawn, section = _numbers(config), config["make_figure"]
    targets = {target_of(fit) for fit in fits}
    return [
        *(f"figure_{number}" for number in drawn),
        *["figure_6_ecg"] * (6 in drawn and "mmcl" in mapped(config)),
        *["ablations"] * bool(_with_ablations(config)),
        # Drawn where some target is learnt from several numbers of labelled subjects.
        *["labelled_subjects"] * (len({(target_of(fit), fraction_of(fit)) for fit in fits}) > len(targets)),
        *section["quality_figures"],
    ]


def figure(config: Config, name: str, shards: Sequence[int], raw: str) -> Figure:
    """Return what a figure is drawn from.

    Args:
        config: all settings.
        name: of the figure.
        shards: numbers of all shards.
        raw: the file that says where raw files lie.
    """
    return FIGURES[name](config, shards, raw)


def heatmap_settings(config: Config) -> str:
    """Return the settings of the step that measures the maps."""
    section = {key: value for key, value in config["heatmap"].items() if key != "temperature"}
    channels = config["crop_cmr"]["channels"]
    return as_json({**section, "models": _map_models(config), "channels": channels, "read": _read_limits(config)})


def shows_named_subjects(name: str) -> bool:
    """Return whether a figure shows the subjects of make_figure.eids."""
    return name in ("figure_6", "figure_6_ecg")


def _figure_2(config: Config, shards: Sequence[int], raw: str) -> Figure:
    inputs = {"autoencoder": "<results>/pretrain_mae/mae/autoencoder.safetensors", **_dataset()}
    settings = {
        "models": {name: config["models"][name] for name in ("ecg_encoder", "mae_decoder")},
        "mask_ratio": config["pretrain"]["mae"]["mask_ratio"],
        **_rate(config),
    }
    return Figure(inputs, ("leads", "seed"), settings)


def _figure_4(config: Config, shards: Sequence[int], raw: str) -> Figure:
    section = config["finetune"]
    predictions = [
        f"<results>/finetune/mmcl/{target}/100/predictions.parquet"
        for target in PHENOTYPE_GROUPS
        if target in section["targets"] and "mmcl" in section["encoders"]
    ]
    return Figure({"predictions": predictions}, ("phenotypes", "dots", "seed"))


def _scores(config: Config, shards: Sequence[int], raw: str) -> Figure:
    return Figure({name: files.EVALUATED[name] for name in ("intervals", "untrained")})


def _figure_6(config: Config, shards: Sequence[int], raw: str) -> Figure:
    settings = {**_case_settings(config), "upsample": config["heatmap"]["upsample"]}
    return Figure({**_cases(shards), **mapped(config)}, ("cases", "seed"), settings)


def _figure_6_ecg(config: Config, shards: Sequence[int], raw: str) -> Figure:
    networks = {name: found for name, found in mapped(config).items() if name == "mmcl"}
    return Figure({**_cases(shards), **networks}, ("cases", "seed"), {**_case_settings(config), **_rate(config)})


def _ablations(config: Config, shards: Sequence[int], raw: str) -> Figure:
    inputs = {"intervals": files.EVALUATED["intervals"], "result": "<results>/pretrain_mmcl/mmcl/result.json"}
    return Figure(inputs, (), {"ablations": config["ablations"], "base": _ablation_base(config)})


def _exclusion_flow(config: Config, shards: Sequence[int], raw: str) -> Figure:
    return Figure({"flow": files.FLOW, "split": files.SPLIT})


def _ecg_sheet(config: Config, shards: Sequence[int], raw: str) -> Figure:
    return Figure(_dataset(), ("sheet_subjects", "seed"), _rate(config))


def _cmr_sheet(config: Config, shards: Sequence[int], raw: str) -> Figure:
    inputs = {**_dataset(), "visits": files.VISITS, "cmr": files.shard_files("crop_cmr", shards, ".h5")}
    settings = {"channels": config["crop_cmr"]["channels"], "read": _read_limits(config), "raw": raw}
    return Figure(inputs, ("sheet_subjects", "seed"), settings)


def _distributions(config: Config, shards: Sequence[int], raw: str) -> Figure:
    tables = {"covariates": files.COVARIATES, "labels": files.LABELS, "phenotypes": files.PHENOTYPES}
    return Figure({"split": files.SPLIT, **tables})


FIGURES: Mapping[str, Callable[[Config, Sequence[int], str], Figure]] = {
    "figure_2": _figure_2,
    "figure_4": _figure_4,
    "figure_5": _scores,
    "figure_6": _figure_6,
    "figure_6_ecg": _figure_6_ecg,
    "labelled_subjects": _scores,
    "ablations": _ablations,
    "exclusion_flow": _exclusion_flow,
    "ecg_sheet": _ecg_sheet,
    "cmr_sheet": _cmr_sheet,
    "distributions": _distributions,
}


def _numbers(config: Config) -> list[int]:
    """Return the paper's figures; a published encoder comes without its decoder (2) and its projectors (6)."""
    absent = {2: bool(config["init"].get("mae")), 6: not mapped(config)}
    return [number for number in config["make_figure"]["figures"] if not absent.get(number)]


def _with_ablations(config: Config) -> bool:
    base = {**_ablation_base(config), "pairs": 0}
    return "mmcl" in config["probe"]["encoders"] and bool(varied(config["ablations"], base))


def _ablation_base(config: Config) -> dict[str, float]:
    """Return MMCL's own values of the settings that ablations may change."""
    mmcl = config["pretrain"]["mmcl"]
    return {
        "mask_ratio": config["pretrain"]["mae"]["mask_ratio"],
        "temperature": mmcl["temperature"],
        "image_weight": mmcl["image_weight"],
    }


def _networks(name: str) -> list[str]:
    return [files.network_file("pretrain_mmcl", name, part) for part in MMCL_PARTS]


def _dataset() -> dict[str, str | list[str]]:
    return {"dataset": files.DATASET, "split": files.SPLIT}


def _cases(shards: Sequence[int]) -> dict[str, str | list[str]]:
    crops = {name: files.shard_files("crop_cmr", shards, end) for name, end in (("cmr", ".h5"), ("qc", ".qc.csv"))}
    return {**_dataset(), **crops}


def _rate(config: Config) -> dict[str, float]:
    return {"sampling_rate_hz": config["clean_ecg"]["sampling_rate_hz"]}


def _map_models(config: Config) -> dict[str, Any]:
    return {name: config["models"][name] for name in ("ecg_encoder", "cmr_encoder", "projector")}


def _case_settings(config: Config) -> dict[str, Any]:
    return {
        "models": _map_models(config),
        "channels": config["crop_cmr"]["channels"],
        "temperature": config["heatmap"]["temperature"],
    }


def _read_limits(config: Config) -> dict[str, Any]:
    return {key: config["crop_cmr"][key] for key in ("minimum_slices", "minimum_frames", "max_missing_frames")}
