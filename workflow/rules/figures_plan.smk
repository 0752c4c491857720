# Which figures there are, and the files and settings each needs.

from cmr2ecg.study.named_subjects import version_of

MMCL_PARTS = ("encoder", "image_encoder", "projector", "image_projector")
# The maps of section III-C with and without masked data modelling, as far as they were trained: model -> networks.
MAPPED = {
    name: [f"<results>/pretrain_mmcl/{name}/{part}.safetensors" for part in MMCL_PARTS]
    for name in ("mmcl", "mmcl_without_mdm")
    if name in config["finetune"]["encoders"] + config["probe"]["encoders"]
    and name not in INIT
}
# The maps that are measured: a control's too, whose pairs were shuffled.
MEASURED = MAPPED | {
    name: [f"<results>/pretrain_mmcl/{name}/{part}.safetensors" for part in MMCL_PARTS]
    for name, changes in ABLATIONS.items()
    if changes.get("shuffle_images")
}
# A published encoder comes without its decoder (figure 2) and its projectors (figure 6).
DRAWN = [
    number
    for number in config["make_figure"]["figures"]
    if not (number == 2 and "mae" in INIT) and not (number == 6 and not MAPPED)
]
ABLATION_BASE = {
    "mask_ratio": config["pretrain"]["mae"]["mask_ratio"],
    "temperature": config["pretrain"]["mmcl"]["temperature"],
    "image_weight": config["pretrain"]["mmcl"]["image_weight"],
}
WITH_ABLATIONS = "mmcl" in config["probe"]["encoders"] and varied(
    config["ablations"], {**ABLATION_BASE, "pairs": 0}
)
# How scores grow with the number of labelled subjects is drawn where a target is learnt from several numbers.
LEARNT = {tuple(fit.split("/")[-2:]) for fit in FINETUNED + PROBED}
WITH_SIZES = len(LEARNT) > len({target for target, _ in LEARNT})
FIGURES = expand(
    "<results>/make_figure/{figure}.png",
    figure=[f"figure_{number}" for number in DRAWN]
    + ["figure_6_ecg"] * (6 in DRAWN and "mmcl" in MAPPED)
    + ["ablations"] * bool(WITH_ABLATIONS)
    + ["labelled_subjects"] * WITH_SIZES
    + config["make_figure"]["quality_figures"],
)
CASE_INPUTS = {
    "dataset": DATASET,
    "split": SPLIT,
    "cmr": expand("<results>/crop_cmr/{shard}.h5", shard=SHARDS),
    "qc": expand("<results>/crop_cmr/{shard}.qc.csv", shard=SHARDS),
}
FIGURE_INPUTS = {
    "figure_2": {
        "autoencoder": "<results>/pretrain_mae/mae/autoencoder.safetensors",
        "dataset": DATASET,
        "split": SPLIT,
    },
    "figure_4": {
        "predictions": [
            f"<results>/finetune/mmcl/{target}/100/predictions.parquet"
            for target in PHENOTYPE_GROUPS
            if target in config["finetune"]["targets"]
            and "mmcl" in config["finetune"]["encoders"]
        ],
    },
    "figure_5": {
        "intervals": "<results>/evaluate/intervals.csv",
        "untrained": "<results>/evaluate/untrained.csv",
    },
    "labelled_subjects": {
        "intervals": "<results>/evaluate/intervals.csv",
        "untrained": "<results>/evaluate/untrained.csv",
    },
    "figure_6": {**CASE_INPUTS, **MAPPED},
    "ablations": {
        "intervals": "<results>/evaluate/intervals.csv",
        "result": "<results>/pretrain_mmcl/mmcl/result.json",
    },
    "figure_6_ecg": {**CASE_INPUTS, **{k: v for k, v in MAPPED.items() if k == "mmcl"}},
    "exclusion_flow": {"flow": "<results>/assemble_dataset/flow.csv", "split": SPLIT},
    "ecg_sheet": {"dataset": DATASET, "split": SPLIT},
    "cmr_sheet": {
        "dataset": DATASET,
        "split": SPLIT,
        "visits": "<results>/index_cohort/visits.parquet",
        "cmr": expand("<results>/crop_cmr/{shard}.h5", shard=SHARDS),
    },
    "distributions": {
        "split": SPLIT,
        "covariates": "<results>/read_tabular/covariates.parquet",
        "labels": "<results>/read_tabular/labels.parquet",
        "phenotypes": "<results>/read_tabular/phenotypes.parquet",
    },
}
READ_LIMITS = {
    key: config["crop_cmr"][key]
    for key in ("minimum_slices", "minimum_frames", "max_missing_frames")
}
MAP_MODELS = {
    name: config["models"][name] for name in ("ecg_encoder", "cmr_encoder", "projector")
}
CASE_SETTINGS = {
    "models": MAP_MODELS,
    "channels": config["crop_cmr"]["channels"],
    "temperature": config["heatmap"]["temperature"],
}
# What a figure's settings hold besides the section's own keys named first.
FIGURE_SETTINGS = {
    "figure_2": (
        ["leads", "seed"],
        {
            "models": {
                name: config["models"][name] for name in ("ecg_encoder", "mae_decoder")
            },
            "mask_ratio": config["pretrain"]["mae"]["mask_ratio"],
            "sampling_rate_hz": config["clean_ecg"]["sampling_rate_hz"],
        },
    ),
    "figure_4": (["phenotypes", "dots", "seed"], {}),
    "figure_6": (
        ["cases", "seed"],
        {**CASE_SETTINGS, "upsample": config["heatmap"]["upsample"]},
    ),
    "figure_6_ecg": (
        ["cases", "seed"],
        {
            **CASE_SETTINGS,
            "sampling_rate_hz": config["clean_ecg"]["sampling_rate_hz"],
        },
    ),
    "ablations": (
        [],
        {"ablations": config["ablations"], "base": ABLATION_BASE},
    ),
    "ecg_sheet": (
        ["sheet_subjects", "seed"],
        {"sampling_rate_hz": config["clean_ecg"]["sampling_rate_hz"]},
    ),
    "cmr_sheet": (
        ["sheet_subjects", "seed"],
        {
            "channels": config["crop_cmr"]["channels"],
            "read": READ_LIMITS,
            "raw": RAW_OPTIONS,
        },
    ),
}
# The subjects of make_figure.eids go to the job through a file, and reports show its version (hooks.smk writes it).
NAMED = f"{RESULTS}/index_shard/named_subjects.json"
NAMED_EIDS = config["make_figure"]["eids"]
NAMED_VERSION = version_of(NAMED, NAMED_EIDS) if NAMED_EIDS else ""


HEATMAP = (
    ["<results>/score_heatmap/heatmap.csv"]
    if MEASURED and (SIMULATED or RAW["segmentations"])
    else []
)


def named_files(inputs):
    """Return a parameter that lists a job's files as `name=path`, as --inputs takes them."""

    def argument(wildcards, input):
        names = inputs(wildcards) if callable(inputs) else inputs
        return " ".join(
            shlex.quote(f"{name}={path}")
            for name in names
            for path in ([input[name]] if isinstance(input[name], str) else input[name])
        )

    return argument


def figure_named(wildcards):
    """Return the option that names the file of the config's subjects, for the figure that shows them."""
    shown = NAMED_EIDS and wildcards.figure in ("figure_6", "figure_6_ecg")
    return f"--named {shlex.quote(NAMED)}" if shown else ""


def figure_settings(wildcards):
    """Return the settings one figure uses as JSON."""
    keys, others = FIGURE_SETTINGS.get(wildcards.figure, ([], {}))
    used = {key: config["make_figure"][key] for key in ["dpi", *keys]} | others
    return json.dumps(used, sort_keys=True)
