"""What is wrong with a configuration although every key is right by itself: settings that must agree.

Nothing heavy is imported: Snakemake checks at each start.
"""

from collections.abc import Iterator
from typing import Any

from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.sweep_grid import sweep_disagreements
from cmr2ecg.study.targets import PHENOTYPE_GROUPS, WHOLE

SHARES_TOLERANCE = 1e-6


def disagreements(config: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each disagreement of a whole config, whose keys are right by themselves."""
    with_cmr = "cmr" in config["index_cohort"]["modalities"]
    yield from _source(config["simulate_cohort"]["enabled"], config["raw"], with_cmr)
    if not with_cmr:
        yield from _without_cmr(config)
    yield from _shares(config["split_subjects"])
    yield from _sizes(config["models"], config["clean_ecg"]["samples"])
    encoder = config["models"]["ecg_encoder"]
    yield from _views(config["pretrain"]["contrastive"], encoder, config["clean_ecg"]["samples"])
    yield from _visible_tokens(encoder, config["pretrain"]["mae"]["mask_ratio"])
    fractions = config["balance_subset"]["phenotype_fractions"]
    if WHOLE not in fractions:
        yield f"balance_subset.phenotype_fractions is {fractions}; 100 is wanted among them, for table IV and figure 4"
    for section in ("finetune", "probe", "train_tabular"):
        yield from _targets(section, config[section]["targets"], config["read_tabular"]["diseases"])
    if "latents" in config["probe"]["encoders"] and not config["simulate_cohort"]["enabled"]:
        yield "probe.encoders names latents, which only a synthetic cohort has; drop it or set simulate_cohort.enabled"
    for name in config["finetune"]["limits"]:
        ablation = name.removeprefix("mmcl_")
        if ablation not in (name, "without_mdm", *config["ablations"]):
            yield f"finetune.limits names {name}, yet ablations has no {ablation}; correct the name or drop it there"
    for seed in config["pretrain"]["seeds"]:
        if f"seed_{seed}" in config["ablations"]:
            yield f"ablations names seed_{seed}, as pretrain.seeds names a repeat of mmcl; call the ablation otherwise"
    yield from sweep_disagreements(config)
    yield from _releases(config["release"]["encoders"], config["finetune"]["encoders"])


def _without_cmr(config: dict[str, Any]) -> Iterator[str]:
    why = "index_cohort.modalities names no cmr"
    if config["raw"]["cmr"]:
        yield f"raw.cmr names folders, yet {why}; drop one of them"
    if config["index_cohort"]["unpaired_ecgs"]:
        yield f"index_cohort.unpaired_ecgs is true, yet {why}: every ECG is in the data set then; drop it"
    if config["ablations"]:
        yield f"ablations names some, which are trained on images, yet {why}; drop them"
    for section in ("finetune", "probe"):
        for name in config[section]["encoders"]:
            if name.startswith("cmr_") or (name.startswith("mmcl") and not config["init"][name]):
                yield f"{section}.encoders names {name}, which is trained on images, yet {why}; drop it there"
    for number in (4, 6):
        if number in config["make_figure"]["figures"]:
            yield f"make_figure.figures names {number}, which needs images, yet {why}; drop it there"
    if "cmr_sheet" in config["make_figure"]["quality_figures"]:
        yield f"make_figure.quality_figures names cmr_sheet, yet {why}; drop it there"


def _source(simulated: bool, raw: dict[str, list[str]], with_cmr: bool) -> Iterator[str]:
    wanted = {"ecg": "folders", **({"cmr": "folders"} if with_cmr else {}), "tabular": "tables"}
    for key, things in wanted.items():
        if simulated and raw[key]:
            yield f"raw.{key} names {things}, yet simulate_cohort.enabled is true; switch one of them off"
        if not simulated and not raw[key]:
            yield f"raw.{key} is empty; name the {things} in config/ukb.yaml or run the demo with config/demo.yaml"


def _shares(split: dict[str, float]) -> Iterator[str]:
    total = split["train"] + split["val"] + split["test"]
    if abs(total - 1) > SHARES_TOLERANCE:
        yield f"split_subjects: train, val and test add up to {total:g}; 1 is wanted"


def _sizes(models: dict[str, Any], recorded: int) -> Iterator[str]:
    encoder = models["ecg_encoder"]
    samples, patch = encoder["samples"], encoder["patch"]
    if samples % patch:
        yield f"models.ecg_encoder.samples is {samples}; a multiple of patch ({patch}) is wanted"
    if samples > recorded:
        yield f"models.ecg_encoder.samples is {samples}; clean_ecg.samples is only {recorded}"
    kernel = models["ecg_cnn"]["kernel"]
    if kernel % 2 == 0:
        yield f"models.ecg_cnn.kernel is {kernel}; an odd number is wanted"
    for name in ("ecg_encoder", "mae_decoder"):
        dim, heads = models[name]["dim"], models[name]["heads"]
        if dim % heads:
            yield f"models.{name}.dim is {dim}; a multiple of heads ({heads}) is wanted"
        if dim % 4:
            yield f"models.{name}.dim is {dim}; a multiple of 4 is wanted (sine and cosine of lead and time)"


def _visible_tokens(encoder: dict[str, Any], mask_ratio: float) -> Iterator[str]:
    tokens = encoder["leads"] * (encoder["samples"] // encoder["patch"])
    if int(tokens * (1 - mask_ratio)) < 1:
        yield f"pretrain.mae.mask_ratio is {mask_ratio}; it leaves none of the {tokens} tokens visible"


def _views(baselines: dict[str, Any], encoder: dict[str, Any], recorded: int) -> Iterator[str]:
    samples, contrast = encoder["samples"], baselines["clocs"]["contrast"]
    if contrast != "cmlc" and 2 * samples > recorded:
        yield (
            f"pretrain.contrastive.clocs.contrast is {contrast}, which takes two pieces of {samples} samples "
            f"(models.ecg_encoder.samples) from a record; clean_ecg.samples is only {recorded}"
        )
    for name, settings in baselines.items():
        window = settings["augment"]["spectrogram_window"]
        if window > samples:
            path = f"pretrain.contrastive.{name}.augment.spectrogram_window"
            yield f"{path} is {window}; at most models.ecg_encoder.samples ({samples}) is wanted"


def _targets(section: str, targets: list[str], diseases: dict[str, Any]) -> Iterator[str]:
    for target in targets:
        if target not in (*diseases, *PHENOTYPE_GROUPS):
            yield f"{section}.targets names {target}; read_tabular.diseases holds only {', '.join(diseases)}"


def _releases(released: list[str], finetuned: list[str]) -> Iterator[str]:
    for name in released:
        if name.startswith("cmr_"):
            yield f"release.encoders names {name}, which reads images; only ECG encoders are released"
        elif network_of(name) != "ecg_encoder":
            yield f"release.encoders names {name}, a convolutional network; only vision transformers are released"
        elif name not in finetuned:
            yield f"release.encoders names {name}, which finetune.encoders lacks; add it there or drop it here"
