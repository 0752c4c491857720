# Which encoder is fitted to what, and which fits share a job.

ONE_JOB_A_FIT = config["finetune"]["job"] == "fit"


def encoder_fits(encoder):
    """Return TARGET/FRACTION of an encoder's fine-tunings; finetune.limits leaves some out."""
    limits = config["finetune"]["limits"]
    limits = limits.get(encoder, limits.get(LIKE.get(encoder), {}))
    fits = [os.path.split(fit) for fit in fits_of("finetune")]
    return [
        f"{target}/{fraction}"
        for target, fraction in fits
        if target in limits.get("targets", [target])
        and int(fraction) in limits.get("fractions", [int(fraction)])
    ]


def jobs_fits(encoder):
    """Return the fits of one job: all of the encoder's, or the one that the wildcards name."""
    return ["{target}/{fraction}"] if ONE_JOB_A_FIT else encoder_fits(encoder)


def job_log(encoder):
    """Return the log of an encoder's jobs."""
    parts = [encoder, *jobs_fits(encoder)] if ONE_JOB_A_FIT else [encoder]
    return f"<results>/logs/finetune/{os.path.join(*parts)}.log"


def small_fits(encoder):
    """Return a function of the wildcards that gives the group which an encoder's fits on small subsets go to a cluster in.

    On GPUs there is none: all fits of a group would start on its first one; finetune.job: encoder packs them there.
    """
    if GPU or not ONE_JOB_A_FIT:
        return None
    return lambda wildcards: (
        f"small_fits_{encoder}" if int(wildcards.fraction) < 100 else None
    )


def fit_files(step, encoder, fits, name):
    """Return a file of each fit; wildcards stay as they are."""
    return [f"<results>/{step}/{encoder}/{fit}/{name}" for fit in fits]


def folder_of(step, encoder):
    """Return a function of the wildcards that gives the folder of an encoder's fits."""
    return lambda wildcards: f"{RESULTS}/{step}/{encoder}"


def named(fits):
    """Return a function of the wildcards that gives TARGET/FRACTION of a job's fits."""

    def of_wildcards(wildcards):
        return [fit.format(**wildcards) for fit in fits]

    return of_wildcards


def subsets(fits):
    """Return a function of the wildcards that gives the subsets that a job's targets are trained on."""

    def of_wildcards(wildcards):
        pairs = [fit.split("/") for fit in named(fits)(wildcards)]
        return [
            f"<results>/balance_subset/{target}_{fraction}.csv"
            for target, fraction in pairs
            if on_subset(target, int(fraction))
        ]

    return of_wildcards


def choices(encoder, fits):
    """Return a function of the wildcards that gives the sweeps' choices for a job's targets."""

    def of_wildcards(wildcards):
        targets = dict.fromkeys(fit.split("/")[0] for fit in named(fits)(wildcards))
        return [path for target in targets if (path := choice(encoder, target))]

    return of_wildcards


def encoder_settings(section, encoder):
    """Return the settings of a section for one encoder as JSON, its overrides applied."""
    method = without_plans(config[section])
    overrides = config[section].get("overrides", {}).get(LIKE.get(encoder, encoder), {})
    settings = json.loads(
        training_settings({**method, **overrides}, network_of(encoder))
    )
    if encoder == "ecg_beats":
        settings["sampling_rate_hz"] = config["clean_ecg"]["sampling_rate_hz"]
    return json.dumps({**settings, **RUNS}, sort_keys=True)


# Runs of a fit beyond one a seed: of each pre-training, of each draw of a small subset.
RUNS = {"blocks": len(REPEATS), "draws": config["balance_subset"]["draws"]}


def tabular_settings():
    """Return the settings of the tabular baseline as JSON."""
    method = without_plans(config["train_tabular"])
    return json.dumps({"method": method, **RUNS}, sort_keys=True)


def balance_settings(fraction):
    """Return the settings of a balanced subset as JSON; the whole one is not drawn again."""
    section = without_plans(config["balance_subset"])
    draws = 1 if int(fraction) == 100 else RUNS["draws"]
    return json.dumps({**section, "draws": draws}, sort_keys=True)


def finetune_settings(wildcards):
    """Return the fine-tune settings of one encoder as JSON, its overrides applied."""
    return encoder_settings("finetune", wildcards.encoder)


def released_fits(encoder):
    """Return TARGET/100 of the fits that an encoder's release is made of."""
    return [fit for fit in encoder_fits(encoder) if os.path.basename(fit) == "100"]


def release_settings():
    """Return what a release needs to know of the config as JSON: sizes, cleaning, intervals, codes of the diseases."""
    section, tabular = config["release"], config["read_tabular"]
    told = tabular["diseases"] if tabular["layout"] == "ukb" else {}
    whole = {
        "coverage": section["coverage"],
        "onnx": section["onnx"],
        "ecg_encoder": config["models"]["ecg_encoder"],
        "clean_ecg": config["clean_ecg"],
        "codes": {k: v for k, v in told.items() if k in config["finetune"]["targets"]},
    }
    return json.dumps(whole, sort_keys=True)


def keep_every_seed(encoder):
    """Return the option that keeps the weights of every seed of the fits that are released."""
    return "--keep-every-seed 100" if encoder in config["release"]["encoders"] else ""


RELEASES = [
    f"<results>/release/{encoder}/SHA256SUMS"
    for encoder in config["release"]["encoders"]
    if released_fits(encoder)
]
FINETUNED = [
    f"<results>/finetune/{encoder}/{fit}"
    for encoder in config["finetune"]["encoders"]
    for fit in encoder_fits(encoder)
]
PROBED = [
    f"<results>/probe/{encoder}/{fit}"
    for encoder in config["probe"]["encoders"]
    for fit in fits_of("probe")
]
