# Sweeps over fine-tune settings and over XGBoost's: validation scores to one choice an encoder and target (§IV-C.2).

HIDDEN = "<results>/hide_test"
PACK = "<results>/sweep/{encoder}/{target}/rung_{rung}/pack_{pack}"
NOT_SWEPT = ("seeds", "keep_checkpoints")  # a sweep has its own


def sweep_plan(encoder, target):
    """Return the section, the trials in their order, and the rounds of one sweep."""
    if encoder == "tabular":
        section = {"strategy": "grid", "seed": 0, **config["sweep_tabular"]}
        trials = planned_trials(section, target)
        return section, trials, planned_rungs(section, len(trials), 1)
    section = config["sweep"]
    trials = planned_trials(section, target)
    epochs = {**config["finetune"], **config["finetune"]["overrides"].get(encoder, {})}[
        "epochs"
    ]
    return section, trials, planned_rungs(section, len(trials), epochs)


def packs_of(encoder, target, rung):
    """Return the score files of one round of a sweep."""
    section, _, rungs = sweep_plan(encoder, target)
    count = (
        1
        if encoder == "tabular"
        else pack_count(rungs[rung].trials, section["trials_per_job"])
    )
    return [
        f"<results>/sweep/{encoder}/{target}/rung_{rung}/pack_{pack}.json"
        for pack in range(count)
    ]


def previous_packs(wildcards):
    """Return all score files of the round before this job's, which say what goes on."""
    rung = int(wildcards.rung)
    return packs_of(wildcards.encoder, wildcards.target, rung - 1) if rung else []


def all_packs(wildcards):
    """Return the score files of a whole sweep."""
    _, _, rungs = sweep_plan(wildcards.encoder, wildcards.target)
    return [
        path
        for rung in range(len(rungs))
        for path in packs_of(wildcards.encoder, wildcards.target, rung)
    ]


def pack_settings(wildcards, section, trials, rung, places):
    """Return one job's part of a sweep."""
    own = trials[places] if int(wildcards.get("rung", 0)) == 0 else None
    return {
        "rung": int(wildcards.get("rung", 0)),
        "pack": int(wildcards.get("pack", 0)),
        "epochs": rung.epochs,
        "seeds": section["seeds"],
        "trials": own,
        "rung_trials": rung.trials,
        "first": places.start,
        "last": places.stop,
    }


def sweep_settings(wildcards):
    """Return what a sweep's job needs as JSON: fine-tune settings without those that are swept, and its trials."""
    section, trials, rungs = sweep_plan(wildcards.encoder, wildcards.target)
    rung, places = rungs[int(wildcards.rung)], pack_slice(
        int(wildcards.pack), section["trials_per_job"]
    )
    whole = json.loads(finetune_settings(wildcards))
    left_out = {*NOT_SWEPT, *axes_of(section["grid"], wildcards.target)}
    whole["method"] = {
        key: value for key, value in whole["method"].items() if key not in left_out
    }
    whole["sweep"] = pack_settings(wildcards, section, trials, rung, places)
    return json.dumps(whole, sort_keys=True)


def sweep_tabular_settings(wildcards):
    """Return the settings of XGBoost's sweep as JSON."""
    section, trials, rungs = sweep_plan("tabular", wildcards.target)
    axes = axes_of(section["grid"], wildcards.target)
    fixed = {
        key: config["train_tabular"][key] for key in section["grid"] if key not in axes
    }
    pack = pack_settings(wildcards, section, trials, rungs[0], slice(0, len(trials)))
    return json.dumps({"method": fixed, "sweep": pack}, sort_keys=True)


def select_settings(wildcards):
    """Return what the choice depends on beside the scores, as JSON."""
    section, _, _ = sweep_plan(wildcards.encoder, wildcards.target)
    return json.dumps(
        {"strategy": section["strategy"], "runner_ups": config["sweep"]["runner_ups"]}
    )


def hidden_values(wildcards):
    """Return the table of a target's values without the test subjects."""
    return target_values(wildcards).replace("<results>/read_tabular", HIDDEN)


def whole_subset(wildcards):
    """Return a disease's whole balanced subset: settings are chosen there, and hold for the smaller ones too."""
    return (
        []
        if wildcards.target in PHENOTYPE_GROUPS
        else f"<results>/balance_subset/{wildcards.target}_100.csv"
    )


wildcard_constraints:
    rung=r"\d+",
    pack=r"\d+",


rule hide_test:
    """Copy split and tables without the test subjects, for the steps that choose settings."""
    input:
        code=code("hide_test"),
        split=SPLIT,
        covariates="<results>/read_tabular/covariates.parquet",
        labels="<results>/read_tabular/labels.parquet",
        phenotypes="<results>/read_tabular/phenotypes.parquet",
    output:
        split=f"{HIDDEN}/split.csv",
        covariates=f"{HIDDEN}/covariates.parquet",
        labels=f"{HIDDEN}/labels.parquet",
        phenotypes=f"{HIDDEN}/phenotypes.parquet",
    log:
        "<results>/logs/hide_test.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        folder=subpath(output.split, parent=True),
    shell:
        "python -m cmr2ecg.steps.hide_test --threads {threads} --log {log:q}"
        " --split {input.split:q} --covariates {input.covariates:q} --labels {input.labels:q}"
        " --phenotypes {input.phenotypes:q} --output {params.folder:q}"


rule sweep:
    """Train one job's share of a sweep's trials on the whole training set of a target, scored on validation."""
    input:
        code=code("sweep"),
        dataset=DATASET,
        split=f"{HIDDEN}/split.csv",
        labels=f"{HIDDEN}/labels.parquet",
        phenotypes=f"{HIDDEN}/phenotypes.parquet",
        subset=whole_subset,
        audits=target_audits,
        weights=lambda wildcards: PRETRAINED[wildcards.encoder],
        previous=previous_packs,
    output:
        scores=f"{PACK}.json",
        cost=f"{PACK}.cost.json",
    log:
        "<results>/logs/sweep/{encoder}/{target}/rung_{rung}_pack_{pack}.log",
    wildcard_constraints:
        encoder="|".join(config["finetune"]["encoders"]),
    conda:
        ENVIRONMENT
    threads: config["threads"]["finetune"]
    resources:
        mem_mb=config["memory_mb"],
    params:
        settings=sweep_settings,
        finished=f"{RESULTS}/sweep/{{encoder}}/{{target}}/finished",
        subsets=f"{RESULTS}/balance_subset",
        weights=optional("weights"),
        previous=optional("previous"),
    shell:
        "python -m cmr2ecg.steps.sweep --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q}"
        " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q}"
        " {params.weights} {params.previous} --encoder {wildcards.encoder} --target {wildcards.target}"
        " --memory-mb {resources.mem_mb} --finished {params.finished:q} --output {output.scores:q} --cost {output.cost:q}"


rule sweep_tabular:
    """Try XGBoost's whole grid for one target in one process (§IV-D.1)."""
    input:
        code=code("sweep_tabular"),
        covariates=f"{HIDDEN}/covariates.parquet",
        split=f"{HIDDEN}/split.csv",
        values=hidden_values,
        subset=whole_subset,
        audits=target_audits,
    output:
        scores="<results>/sweep/tabular/{target}/rung_0/pack_0.json",
        cost="<results>/sweep/tabular/{target}/rung_0/pack_0.cost.json",
    log:
        "<results>/logs/sweep_tabular/{target}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=sweep_tabular_settings,
        subset=optional("subset"),
        finished=f"{RESULTS}/sweep/tabular/{{target}}/finished",
    shell:
        "python -m cmr2ecg.steps.sweep_tabular --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --covariates {input.covariates:q} --split {input.split:q} --values {input.values:q} {params.subset}"
        " --target {wildcards.target} --finished {params.finished:q} --output {output.scores:q} --cost {output.cost:q}"


rule select:
    """Choose a sweep's best trial by its validation score."""
    input:
        code=code("select"),
        packs=all_packs,
        costs=lambda wildcards: [
            path.replace(".json", ".cost.json") for path in all_packs(wildcards)
        ],
    output:
        choice="<results>/select/{encoder}_{target}.json",
        trials="<results>/sweep/{encoder}/{target}/trials.csv",
        curves="<results>/sweep/{encoder}/{target}/curves.csv",
        result="<results>/sweep/{encoder}/{target}/result.json",
    log:
        "<results>/logs/select/{encoder}_{target}.log",
    wildcard_constraints:
        encoder="|".join([*config["finetune"]["encoders"], "tabular"]),
        target="|".join(SWEPT_TARGETS),
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=select_settings,
        folder=subpath(output.result, parent=True),
    shell:
        "python -m cmr2ecg.steps.select --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --packs {input.packs:q} --costs {input.costs:q} --encoder {wildcards.encoder} --target {wildcards.target}"
        " --choice {output.choice:q} --output {params.folder:q}"
