"""What is wrong with a configuration although every key is right by itself: settings that must agree.

Nothing heavy is imported: Snakemake checks at each start.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from cmr2ecg.study.data_sets import complaints
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.settings.cohort import SplitSubjects
from cmr2ecg.study.settings.networks import EcgEncoder, Models
from cmr2ecg.study.settings.pretraining import Contrastive
from cmr2ecg.study.settings.run import Raw
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.sweep_grid import axes_of, grid_of
from cmr2ecg.study.targets import PHENOTYPE_GROUPS, WHOLE

SHARES_TOLERANCE = 1e-6
ICD_PREFIX = re.compile(r"[A-Z][0-9][0-9A-Z]{1,3}")


def disagreements(settings: Settings) -> Iterator[str]:
    """Yield a line for each disagreement of settings that are right by themselves."""
    with_cmr = "cmr" in settings.index_cohort.modalities
    yield from complaints(settings)
    yield from _source(settings.simulate_cohort.enabled, settings.raw, with_cmr, bool(settings.recordings.table))
    if settings.raw.unlabelled and not settings.index_cohort.unpaired_ecgs:
        yield "raw.unlabelled names folders, yet index_cohort.unpaired_ecgs is false; set it to true"
    if not with_cmr:
        yield from _without_cmr(settings)
    yield from _shares(settings.split_subjects)
    recorded, encoder = settings.clean_ecg.samples, settings.models.ecg_encoder
    yield from _sizes(settings.models, recorded)
    yield from _views(settings.pretrain.contrastive, encoder, recorded)
    yield from _visible_tokens(encoder, settings.pretrain.mae.mask_ratio)
    if WHOLE not in settings.balance_subset.phenotype_fractions:
        fractions = [*settings.balance_subset.phenotype_fractions]
        yield f"balance_subset.phenotype_fractions is {fractions}; expected 100 among them, for table IV and figure 4"
    diseases = settings.read_tabular.diseases
    if settings.read_tabular.layout == "ukb":
        yield from _prefixes(diseases)
    yield from _macro(settings.evaluate.macro, diseases)
    yield from _targets("finetune", settings.finetune.targets, diseases)
    yield from _targets("probe", settings.probe.targets, diseases)
    yield from _targets("train_tabular", settings.train_tabular.targets, diseases)
    if "latents" in settings.probe.encoders and not settings.simulate_cohort.enabled:
        yield "probe.encoders names latents, which only a synthetic cohort has; drop it or set simulate_cohort.enabled"
    yield from _names(settings)
    yield from _sweep(settings)
    yield from _tabular_sweep(settings)
    yield from _releases(settings.release.encoders, settings.finetune.encoders)


def _names(settings: Settings) -> Iterator[str]:
    if "without_mdm" in settings.ablations:
        yield "ablations names without_mdm, as the paper's mmcl_without_mdm; call the ablation otherwise"
    for name in settings.finetune.limits:
        ablation = name.removeprefix("mmcl_")
        if ablation not in (name, "without_mdm", *settings.ablations):
            yield f"finetune.limits names {name}, yet ablations has no {ablation}; correct the name or drop it there"
    for seed in settings.pretrain.seeds:
        if f"seed_{seed}" in settings.ablations:
            yield f"ablations names seed_{seed}, as pretrain.seeds names a repeat of mmcl; call the ablation otherwise"


def _without_cmr(settings: Settings) -> Iterator[str]:
    why = "index_cohort.modalities names no cmr"
    if settings.raw.cmr:
        yield f"raw.cmr names folders, yet {why}; drop one of them"
    lists = settings.recordings.table or any(path.endswith(".csv") for path in settings.raw.ecg)
    if settings.index_cohort.unpaired_ecgs and not (lists or settings.raw.unlabelled):
        yield (
            f"index_cohort.unpaired_ecgs is true, yet {why}: every ECG is in the data set then; drop it, or name "
            "folders of further ECGs in raw.unlabelled"
        )
    if settings.ablations:
        yield f"ablations names some, which are trained on images, yet {why}; drop them"
    for section, encoders in (("finetune", settings.finetune.encoders), ("probe", settings.probe.encoders)):
        for name in encoders:
            if name.startswith("cmr_") or (name.startswith("mmcl") and not getattr(settings.init, name)):
                yield f"{section}.encoders names {name}, which is trained on images, yet {why}; drop it there"
    for number in (4, 6):
        if number in settings.make_figure.figures:
            yield f"make_figure.figures names {number}, which needs images, yet {why}; drop it there"
    if "cmr_sheet" in settings.make_figure.quality_figures:
        yield f"make_figure.quality_figures names cmr_sheet, yet {why}; drop it there"


def _source(simulated: bool, raw: Raw, with_cmr: bool, data_set: bool) -> Iterator[str]:
    wanted = {"ecg": "folders"} | ({"cmr": "folders"} if with_cmr else {})
    wanted |= {} if data_set else {"tabular": "tables"}
    if simulated and raw.unlabelled:
        yield "raw.unlabelled names folders, yet simulate_cohort.enabled is true; switch one of them off"
    for key, things in wanted.items():
        if simulated and getattr(raw, key):
            yield f"raw.{key} names {things}, yet simulate_cohort.enabled is true; switch one of them off"
        if not simulated and not getattr(raw, key):
            yield f"raw.{key} is empty; name the {things} in config/ukb.yaml or run the demo with config/demo.yaml"


def _shares(split: SplitSubjects) -> Iterator[str]:
    total = split.train + split.val + split.test
    if abs(total - 1) > SHARES_TOLERANCE:
        yield f"split_subjects: train, val and test add up to {total:g}; expected 1"


def _sizes(models: Models, recorded: int) -> Iterator[str]:
    samples, patch = models.ecg_encoder.samples, models.ecg_encoder.patch
    if samples % patch:
        yield f"models.ecg_encoder.samples is {samples}; expected a multiple of patch ({patch})"
    if samples > recorded:
        yield f"models.ecg_encoder.samples is {samples}; clean_ecg.samples is only {recorded}"
    if models.ecg_cnn.kernel % 2 == 0:
        yield f"models.ecg_cnn.kernel is {models.ecg_cnn.kernel}; expected an odd number"
    for name, network in (("ecg_encoder", models.ecg_encoder), ("mae_decoder", models.mae_decoder)):
        if network.dim % network.heads:
            yield f"models.{name}.dim is {network.dim}; expected a multiple of heads ({network.heads})"
        if network.dim % 4:
            yield f"models.{name}.dim is {network.dim}; expected a multiple of 4 (sine and cosine of lead and time)"


def _visible_tokens(encoder: EcgEncoder, mask_ratio: float) -> Iterator[str]:
    tokens = encoder.leads * (encoder.samples // encoder.patch)
    if int(tokens * (1 - mask_ratio)) < 1:
        yield f"pretrain.mae.mask_ratio is {mask_ratio}; it leaves none of the {tokens} tokens visible"


def _views(baselines: Contrastive, encoder: EcgEncoder, recorded: int) -> Iterator[str]:
    samples, contrast = encoder.samples, baselines.clocs.contrast
    if contrast != "cmlc" and 2 * samples > recorded:
        yield (
            f"pretrain.contrastive.clocs.contrast is {contrast}, which takes two pieces of {samples} samples "
            f"(models.ecg_encoder.samples) from a record; clean_ecg.samples is only {recorded}"
        )
    for name, method in baselines:
        window = method.augment.spectrogram_window
        if window > samples:
            path = f"pretrain.contrastive.{name}.augment.spectrogram_window"
            yield f"{path} is {window}; expected at most models.ecg_encoder.samples ({samples})"


def _targets(section: str, targets: Sequence[str], diseases: Mapping[str, Any], groups: bool = True) -> Iterator[str]:
    for target in targets:
        if target not in (*diseases, *PHENOTYPE_GROUPS * groups):
            where = f"{section}.targets" if groups else section
            yield f"{where} names {target}; read_tabular.diseases holds only {', '.join(diseases)}"


def _prefixes(diseases: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, prefixes in diseases.items():
        for place, prefix in enumerate(prefixes):
            if not ICD_PREFIX.fullmatch(prefix):
                wanted = "an ICD-10 prefix without dot, such as I20 or I252"
                yield f"read_tabular.diseases.{name}[{place}] is {prefix!r}; expected {wanted}"


def _macro(groups: Mapping[str, Sequence[str]], diseases: Mapping[str, Any]) -> Iterator[str]:
    for group, members in groups.items():
        yield from _targets(f"evaluate.macro.{group}", members, diseases, groups=False)
        if group in (*diseases, *PHENOTYPE_GROUPS):
            yield f"evaluate.macro names {group}, as a disease or a group of phenotypes is called; call it otherwise"


def _sweep(settings: Settings) -> Iterator[str]:
    sweep, finetune = settings.sweep, settings.finetune
    if not sweep.encoders:
        return
    yield from _unused("sweep.encoders", sweep.encoders, "finetune.encoders", finetune.encoders)
    yield from _unused("sweep.targets", sweep.targets, "finetune.targets", finetune.targets)
    if sweep.strategy == "random" and sweep.trials is None:
        yield "sweep.trials is null; random wants the number of trials, the whole grid is strategy: grid"
    for encoder in sweep.encoders:
        grid = grid_of(sweep, encoder)
        for target in sweep.targets:
            size = math.prod(len(values) for values in axes_of(grid, target).values())
            if not axes_of(grid, target):
                yield (
                    f"sweep.grid is empty for {encoder} and {target}; give one axis its values, "
                    "or switch the sweep off with sweep.encoders: []"
                )
            elif sweep.strategy != "grid" and (sweep.trials or 0) > size:
                there = f"{size} combinations for {encoder} and {target}"
                yield f"sweep.trials is {sweep.trials}; the grid has only {there}"
        epochs = finetune.changed(finetune.overrides.get(encoder)).epochs
        if sweep.strategy == "halving" and sweep.minimum_epochs > epochs:
            yield f"sweep.minimum_epochs is {sweep.minimum_epochs}; {encoder} is trained for only {epochs} epochs"


def _tabular_sweep(settings: Settings) -> Iterator[str]:
    sweep = settings.sweep_tabular
    yield from _unused("sweep_tabular.targets", sweep.targets, "train_tabular.targets", settings.train_tabular.targets)
    if sweep.targets and not axes_of(dict(sweep.grid), sweep.targets[0]):
        yield (
            "sweep_tabular.grid is empty; give one axis its values, "
            "or switch the sweep off with sweep_tabular.targets: []"
        )


def _unused(name: str, wanted: Collection[str], other: str, there: Collection[str]) -> Iterator[str]:
    for item in wanted:
        if item not in there:
            yield f"{name} names {item}, which {other} lacks; add it there or drop it here"


def _releases(released: Collection[str], finetuned: Collection[str]) -> Iterator[str]:
    for name in released:
        if name.startswith("cmr_"):
            yield f"release.encoders names {name}, which reads images; only ECG encoders are released"
        elif network_of(name) != "ecg_encoder":
            yield f"release.encoders names {name}, a convolutional network; only vision transformers are released"
        elif name not in finetuned:
            yield f"release.encoders names {name}, which finetune.encoders lacks; add it there or drop it here"
