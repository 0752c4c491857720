# Pre-trained encoders and balanced subsets to predictions.

# One rule an encoder, since a job may hold all of an encoder's fits (finetune.job), and encoders differ in their fits.
for encoder in filter(encoder_fits, config["finetune"]["encoders"]):

    rule:
        """Fine-tune one encoder for its targets on their training sets with every seed (§IV-C.2)."""
        name:
            f"finetune_{encoder}"
        input:
            dataset=DATASET,
            split=SPLIT,
            labels="<results>/read_tabular/labels.parquet",
            phenotypes="<results>/read_tabular/phenotypes.parquet",
            subsets=subsets(jobs_fits(encoder)),
            audit=AUDIT,
            weights=PRETRAINED[encoder],
            selected=choices(encoder, jobs_fits(encoder)),
        output:
            predictions=fit_files(
                "finetune", encoder, jobs_fits(encoder), "predictions.parquet"
            ),
            metrics=fit_files("finetune", encoder, jobs_fits(encoder), "metrics.jsonl"),
            results=fit_files("finetune", encoder, jobs_fits(encoder), "result.json"),
        log:
            job_log(encoder),
        wildcard_constraints:
            target="[a-z0-9_]+",
            fraction="[0-9]+",
        group:
            small_fits(encoder)
        conda:
            ENVIRONMENT
        threads: config["threads"]["finetune"]
        resources:
            **training_needs("fit", gpus=GPU, fits=len(jobs_fits(encoder))),
        params:
            code=code("finetune", rule=f"finetune_{encoder}"),
            settings=encoder_settings("finetune", encoder),
            encoder=encoder,
            fits=named(jobs_fits(encoder)),
            folder=folder_of("finetune", encoder),
            subsets=f"{RESULTS}/balance_subset",
            weights=optional("weights"),
            selected=optional("selected"),
            keep=keep_every_seed(encoder),
        shell:
            "python -m cmr2ecg.steps.finetune --settings {params.settings:q} --threads {threads} --log {log:q}"
            " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q}"
            " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q} {params.weights} {params.selected} {params.keep}"
            " --encoder {params.encoder} --fits {params.fits} --memory-mb {resources.data_mb} --output {params.folder:q}"


for encoder in config["probe"]["encoders"]:

    rule:
        """Probe one frozen encoder for all targets: a control the paper lacks."""
        name:
            f"probe_{encoder}"
        input:
            dataset=DATASET,
            split=SPLIT,
            labels="<results>/read_tabular/labels.parquet",
            phenotypes="<results>/read_tabular/phenotypes.parquet",
            subsets=subsets(fits_of("probe")),
            audit=AUDIT,
            weights=PRETRAINED[encoder],
            truth=(
                "<results>/simulate_cohort/truth.parquet"
                if encoder == "latents"
                else []
            ),
        output:
            predictions=fit_files(
                "probe", encoder, fits_of("probe"), "predictions.parquet"
            ),
            metrics=fit_files("probe", encoder, fits_of("probe"), "metrics.jsonl"),
            results=fit_files("probe", encoder, fits_of("probe"), "result.json"),
        log:
            f"<results>/logs/probe/{encoder}.log",
        conda:
            ENVIRONMENT
        threads: config["threads"]["finetune"]
        resources:
            **training_needs("fit", gpus=GPU, fits=len(fits_of("probe"))),
        params:
            code=code("probe", rule=f"probe_{encoder}"),
            settings=encoder_settings("probe", encoder),
            encoder=encoder,
            fits=fits_of("probe"),
            folder=folder_of("probe", encoder),
            subsets=f"{RESULTS}/balance_subset",
            weights=optional("weights"),
            truth=optional("truth"),
        shell:
            "python -m cmr2ecg.steps.probe --settings {params.settings:q} --threads {threads} --log {log:q}"
            " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q}"
            " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q} {params.weights} {params.truth}"
            " --encoder {params.encoder} --fits {params.fits} --memory-mb {resources.data_mb} --output {params.folder:q}"


rule train_tabular:
    """Train the tabular baseline on age, sex, weight and height with every seed (§IV-D.1)."""
    input:
        covariates="<results>/read_tabular/covariates.parquet",
        split=SPLIT,
        values=target_values,
        subset=target_subset,
        audit=AUDIT,
        selected=lambda wildcards: choice("tabular", wildcards.target),
    output:
        predictions="<results>/train_tabular/{target}/{fraction}/predictions.parquet",
        metrics="<results>/train_tabular/{target}/{fraction}/metrics.jsonl",
        result="<results>/train_tabular/{target}/{fraction}/result.json",
    log:
        "<results>/logs/train_tabular/{target}/{fraction}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    resources:
        **needs("small"),
    params:
        code=code("train_tabular"),
        settings=tabular_settings(),
        folder=subpath(output.result, parent=True),
        subset=optional("subset"),
        selected=optional("selected"),
    shell:
        "python -m cmr2ecg.steps.train_tabular --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --covariates {input.covariates:q} --split {input.split:q} --values {input.values:q} {params.subset}"
        " {params.selected} --target {wildcards.target} --fraction {wildcards.fraction} --output {params.folder:q}"
