# Sweeps over fine-tune settings and over XGBoost's: validation scores to one choice an encoder and target (§IV-C.2).

PACK = "<results>/sweep/{encoder}/{target}/rung_{rung}/pack_{pack}"


wildcard_constraints:
    rung=r"\d+",
    pack=r"\d+",


rule hide_test:
    """Copy split and tables without the test subjects, for the steps that choose settings."""
    input:
        split=SPLIT,
        covariates=COVARIATES,
        labels=LABELS,
        phenotypes=PHENOTYPES,
    output:
        split=f"{HIDDEN}/split.csv",
        covariates=f"{HIDDEN}/covariates.parquet",
        labels=f"{HIDDEN}/labels.parquet",
        phenotypes=f"{HIDDEN}/phenotypes.parquet",
    log:
        "<results>/logs/hide_test.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("hide_test"),
        folder=subpath(output.split, parent=True),
    shell:
        "python -m cmr2ecg.steps.hide_test --threads {threads} --log {log:q}"
        " --split {input.split:q} --covariates {input.covariates:q} --labels {input.labels:q}"
        " --phenotypes {input.phenotypes:q} --output {params.folder:q}"


rule sweep:
    """Train one job's share of a sweep's trials on the whole training set of a target, scored on validation."""
    input:
        dataset=DATASET,
        split=f"{HIDDEN}/split.csv",
        labels=f"{HIDDEN}/labels.parquet",
        phenotypes=f"{HIDDEN}/phenotypes.parquet",
        subset=lambda wildcards: sweep_jobs.whole_subset(wildcards.target),
        audit=AUDIT,
        weights=lambda wildcards: PRETRAININGS.weights[wildcards.encoder][:1],
        previous=lambda wildcards: sweep(wildcards).previous_packs(int(wildcards.rung)),
    output:
        scores=f"{PACK}.json",
        cost=f"{PACK}.cost.json",
    log:
        "<results>/logs/sweep/{encoder}/{target}/rung_{rung}_pack_{pack}.log",
    wildcard_constraints:
        encoder="|".join(SETTINGS.finetune.encoders),
    conda:
        ENVIRONMENT
    threads: THREADS.finetune
    resources:
        **training_needs("fit", fits=sweep_jobs.fits_per_job(SETTINGS)),
    params:
        code=code("sweep"),
        settings=lambda wildcards: sweep_jobs.sweep_settings(
            SETTINGS, sweep(wildcards), int(wildcards.rung), int(wildcards.pack)
        ),
        finished=f"{RESULTS}/sweep/{{encoder}}/{{target}}/finished",
        subsets=f"{RESULTS}/balance_subset",
        weights=optional("weights"),
        previous=optional("previous"),
    shell:
        "python -m cmr2ecg.steps.sweep --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q}"
        " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q}"
        " {params.weights} {params.previous} --encoder {wildcards.encoder} --target {wildcards.target}"
        " --memory-mb {resources.data_mb} --finished {params.finished:q} --output {output.scores:q} --cost {output.cost:q}"


rule sweep_tabular:
    """Try XGBoost's whole grid for one target in one process (§IV-D.1)."""
    input:
        covariates=f"{HIDDEN}/covariates.parquet",
        split=f"{HIDDEN}/split.csv",
        values=lambda wildcards: sweep_jobs.hidden_values(wildcards.target),
        subset=lambda wildcards: sweep_jobs.whole_subset(wildcards.target),
        audit=AUDIT,
    output:
        scores="<results>/sweep/tabular/{target}/rung_0/pack_0.json",
        cost="<results>/sweep/tabular/{target}/rung_0/pack_0.cost.json",
    log:
        "<results>/logs/sweep_tabular/{target}.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("sweep_tabular"),
        settings=lambda wildcards: sweep_jobs.sweep_tabular_settings(SETTINGS, wildcards.target),
        subset=optional("subset"),
        finished=f"{RESULTS}/sweep/tabular/{{target}}/finished",
    shell:
        "python -m cmr2ecg.steps.sweep_tabular --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --covariates {input.covariates:q} --split {input.split:q} --values {input.values:q} {params.subset}"
        " --target {wildcards.target} --finished {params.finished:q} --output {output.scores:q} --cost {output.cost:q}"


rule select:
    """Choose a sweep's best trial by its validation score."""
    input:
        packs=lambda wildcards: sweep(wildcards).all_packs(),
        costs=lambda wildcards: [path.replace(".json", ".cost.json") for path in sweep(wildcards).all_packs()],
    output:
        choice="<results>/select/{encoder}_{target}.json",
        trials="<results>/sweep/{encoder}/{target}/trials.csv",
        curves="<results>/sweep/{encoder}/{target}/curves.csv",
        result="<results>/sweep/{encoder}/{target}/result.json",
    log:
        "<results>/logs/select/{encoder}_{target}.log",
    wildcard_constraints:
        encoder="|".join([*SETTINGS.finetune.encoders, "tabular"]),
        target="|".join(sorted({target for _, target in SWEPT})),
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("select"),
        settings=lambda wildcards: sweep_jobs.select_settings(SETTINGS, sweep(wildcards)),
        folder=subpath(output.result, parent=True),
    shell:
        "python -m cmr2ecg.steps.select --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --packs {input.packs:q} --costs {input.costs:q} --encoder {wildcards.encoder} --target {wildcards.target}"
        " --choice {output.choice:q} --output {params.folder:q}"
