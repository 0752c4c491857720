"""Which figures there are, and the files and settings that each needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmr2ecg.study import files
from cmr2ecg.study.ablations import ablations_of, varied
from cmr2ecg.study.fit_jobs import fraction_of, target_of
from cmr2ecg.study.pretraining_jobs import MMCL_PARTS
from cmr2ecg.study.sections import as_json
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.targets import PHENOTYPE_GROUPS

SCORED = {name: f"<results>/score_heatmap/{name}.csv" for name in ("heatmap", "retrieval")}
Inputs = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Figure:
    """What one figure is drawn from: files by name, keys of the section make_figure beside dpi, and other settings."""

    inputs: Inputs
    keys: Sequence[str] = ()
    settings: Mapping[str, Any] | None = None

    def told(self, settings: Settings) -> str:
        """Return the settings of the figure as JSON."""
        own = settings.make_figure.model_dump(include={"dpi", *self.keys})
        return as_json({**own, **(self.settings or {})})


def mapped(settings: Settings) -> dict[str, list[str]]:
    """Return the networks whose similarity maps (§III-C) are drawn: MMCL with and without MDM, if trained here."""
    fitted, init = {*settings.finetune.encoders, *settings.probe.encoders}, settings.init
    imported = {"mmcl": init.mmcl, "mmcl_without_mdm": init.mmcl_without_mdm}
    return {name: _networks(name) for name, path in imported.items() if name in fitted and not path}


def measured(settings: Settings) -> dict[str, list[str]]:
    """Return the networks whose maps are measured: those that are drawn, and controls whose pairs were shuffled."""
    shuffled = [name for name, changes in ablations_of(settings).items() if changes.shuffle_images]
    return mapped(settings) | {name: _networks(name) for name in shuffled}


def scored(settings: Settings) -> dict[str, str]:
    """Return what score_heatmap writes, if there are networks to measure: of maps only where ventricles are known."""
    known = settings.simulate_cohort.enabled or settings.raw.segmentations
    names = ["heatmap"] * bool(known) + ["retrieval"] if measured(settings) else []
    return {name: SCORED[name] for name in names}


def figures(settings: Settings, fits: Sequence[str]) -> list[str]:
    """Return the names of the figures; fits: the folders of all fits of encoders."""
    drawn = _numbers(settings)
    targets = {target_of(fit) for fit in fits}
    return [
        *(f"figure_{number}" for number in drawn),
        *["figure_6_ecg"] * (6 in drawn and "mmcl" in mapped(settings)),
        *["ablations"] * bool(_with_ablations(settings)),
        # Drawn where some target is learnt from several numbers of labelled subjects.
        *["labelled_subjects"] * (len({(target_of(fit), fraction_of(fit)) for fit in fits}) > len(targets)),
        *settings.make_figure.quality_figures,
    ]


def figure(settings: Settings, name: str, shards: Sequence[int], raw: str) -> Figure:
    """Return what a figure is drawn from.

    Args:
        settings: of the study.
        name: of the figure.
        shards: numbers of all shards.
        raw: the file that says where raw files lie.
    """
    return FIGURES[name](settings, shards, raw)


def heatmap_settings(settings: Settings) -> str:
    """Return the settings of the step that measures the maps."""
    section = settings.heatmap.model_dump(exclude={"temperature"})
    channels = settings.crop_cmr.channels
    return as_json({**section, "models": _map_models(settings), "channels": channels, "read": _read_limits(settings)})


def shows_named_subjects(name: str) -> bool:
    """Return whether a figure shows the subjects of make_figure.eids."""
    return name in ("figure_6", "figure_6_ecg")


def _figure_2(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    inputs = {"autoencoder": "<results>/pretrain_mae/mae/autoencoder.safetensors", **_dataset()}
    told = {
        "models": settings.models.model_dump(include={"ecg_encoder", "mae_decoder"}),
        "mask_ratio": settings.pretrain.mae.mask_ratio,
        **_rate(settings),
    }
    return Figure(inputs, ("leads", "seed"), told)


def _figure_4(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    section = settings.finetune
    predictions = [
        f"<results>/finetune/mmcl/{target}/100/predictions.parquet"
        for target in PHENOTYPE_GROUPS
        if target in section.targets and "mmcl" in section.encoders
    ]
    return Figure({"predictions": predictions}, ("phenotypes", "dots", "seed"))


def _scores(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    return Figure({name: files.EVALUATED[name] for name in ("intervals", "untrained")})


def _figure_6(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    told = {**_case_settings(settings), "upsample": settings.heatmap.upsample}
    measured_maps = {name: path for name, path in scored(settings).items() if name == "heatmap"}
    planted = {"visits": files.VISITS, "truth": files.TRUTH} if settings.simulate_cohort.enabled else {}
    return Figure({**_cases(shards), **mapped(settings), **measured_maps, **planted}, ("cases", "seed"), told)


def _figure_6_ecg(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    networks = {name: found for name, found in mapped(settings).items() if name == "mmcl"}
    return Figure({**_cases(shards), **networks}, ("cases", "seed"), {**_case_settings(settings), **_rate(settings)})


def _ablations(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    inputs = {"intervals": files.EVALUATED["intervals"], "result": "<results>/pretrain_mmcl/mmcl/result.json"}
    return Figure(inputs, (), {"ablations": _ablations_told(settings), "base": _ablation_base(settings)})


def _exclusion_flow(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    return Figure({"flow": files.FLOW, "split": files.SPLIT})


def _ecg_sheet(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    return Figure(_dataset(), ("sheet_subjects", "seed"), _rate(settings))


def _cmr_sheet(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    inputs = {**_dataset(), "visits": files.VISITS, "cmr": files.shard_files("crop_cmr", shards, ".h5")}
    told = {"channels": settings.crop_cmr.channels, "read": _read_limits(settings), "raw": raw}
    return Figure(inputs, ("sheet_subjects", "seed"), told)


def _distributions(settings: Settings, shards: Sequence[int], raw: str) -> Figure:
    tables = {"covariates": files.COVARIATES, "labels": files.LABELS, "phenotypes": files.PHENOTYPES}
    return Figure({"split": files.SPLIT, **tables})


FIGURES: Mapping[str, Callable[[Settings, Sequence[int], str], Figure]] = {
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


def _numbers(settings: Settings) -> list[int]:
    """Return the paper's figures; a published encoder comes without its decoder (2) and its projectors (6)."""
    absent = {2: bool(settings.init.mae), 6: not mapped(settings)}
    return [number for number in settings.make_figure.figures if not absent.get(number)]


def _with_ablations(settings: Settings) -> bool:
    base = {**_ablation_base(settings), "pairs": 0}
    return "mmcl" in settings.probe.encoders and bool(varied(_ablations_told(settings), base))


def _ablations_told(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return what each ablation changes as JSON has it."""
    return {name: changes.model_dump() for name, changes in settings.ablations.items()}


def _ablation_base(settings: Settings) -> dict[str, float]:
    """Return MMCL's own values of the settings that ablations may change."""
    mae, mmcl = settings.pretrain.mae, settings.pretrain.mmcl
    return {**mae.model_dump(include={"mask_ratio"}), **mmcl.model_dump(include={"temperature", "image_weight"})}


def _networks(name: str) -> list[str]:
    return [files.network_file("pretrain_mmcl", name, part) for part in MMCL_PARTS]


def _dataset() -> dict[str, str | list[str]]:
    return {"dataset": files.DATASET, "split": files.SPLIT}


def _cases(shards: Sequence[int]) -> dict[str, str | list[str]]:
    crops = {name: files.shard_files("crop_cmr", shards, end) for name, end in (("cmr", ".h5"), ("qc", ".qc.csv"))}
    return {**_dataset(), **crops}


def _rate(settings: Settings) -> dict[str, float]:
    return {"sampling_rate_hz": settings.clean_ecg.sampling_rate_hz}


def _map_models(settings: Settings) -> dict[str, Any]:
    return settings.models.model_dump(include={"ecg_encoder", "cmr_encoder", "projector"})


def _case_settings(settings: Settings) -> dict[str, Any]:
    return {
        "models": _map_models(settings),
        "channels": settings.crop_cmr.channels,
        "temperature": settings.heatmap.temperature,
    }


def _read_limits(settings: Settings) -> dict[str, Any]:
    return settings.crop_cmr.model_dump(include={"minimum_slices", "minimum_frames", "max_missing_frames"})
