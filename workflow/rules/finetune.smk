# Pre-trained encoders and balanced subsets to predictions.


FIT_FIRST = 20  # the longest of what is left: before probes, trees and figures, so that the end is short


# One rule an encoder, since a job may hold all of an encoder's fits (finetune.job), and encoders differ in their fits.
for job in FINETUNINGS:

    rule:
        """Fine-tune one encoder for its targets on their training sets with every seed (§IV-C.2)."""
        name:
            f"finetune_{job.encoder}"
        input:
            dataset=DATASET,
            split=SPLIT,
            labels=LABELS,
            phenotypes=PHENOTYPES,
            subsets=subsets(job),
            audit=AUDIT,
            weights=PRETRAININGS.weights[job.encoder],
            selected=choices(job),
        output:
            predictions=fit_files(f"finetune/{job.encoder}", job.in_job, "predictions.parquet"),
            metrics=fit_files(f"finetune/{job.encoder}", job.in_job, "metrics.jsonl"),
            results=fit_files(f"finetune/{job.encoder}", job.in_job, "result.json"),
        log:
            job.log,
        wildcard_constraints:
            target="[a-z0-9_]+",
            fraction="[0-9]+",
        priority: FIT_FIRST
        group:
            small_fits(job)
        conda:
            ENVIRONMENT
        threads: THREADS.finetune
        resources:
            **training_needs("fit", fits=len(job.in_job)),
        params:
            code=code("finetune", rule=f"finetune_{job.encoder}"),
            settings=job.settings,
            encoder=job.encoder,
            fits=named_fits(job),
            folder=folder_of("finetune", job),
            subsets=f"{RESULTS}/balance_subset",
            weights=optional("weights"),
            selected=optional("selected"),
            keep="--keep-every-seed 100" if job.keep_every_seed else "",
        shell:
            "python -m cmr2ecg.steps.finetune --settings {params.settings:q} --threads {threads} --log {log:q}"
            " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q}"
            " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q} {params.weights} {params.selected} {params.keep}"
            " --encoder {params.encoder} --fits {params.fits} --memory-mb {resources.data_mb} --output {params.folder:q}"


for job in PROBES:

    rule:
        """Probe one frozen encoder for all targets: a control the paper lacks."""
        name:
            f"probe_{job.encoder}"
        input:
            dataset=DATASET,
            split=SPLIT,
            labels=LABELS,
            phenotypes=PHENOTYPES,
            subsets=subsets(job),
            audit=AUDIT,
            weights=PRETRAININGS.weights[job.encoder],
            truth=TRUTH if job.encoder == "latents" else [],
        output:
            predictions=fit_files(f"probe/{job.encoder}", job.fits, "predictions.parquet"),
            metrics=fit_files(f"probe/{job.encoder}", job.fits, "metrics.jsonl"),
            results=fit_files(f"probe/{job.encoder}", job.fits, "result.json"),
        log:
            job.log,
        conda:
            ENVIRONMENT
        threads: THREADS.finetune
        resources:
            **training_needs("fit", fits=len(job.fits)),
        params:
            code=code("probe", rule=f"probe_{job.encoder}"),
            settings=job.settings,
            encoder=job.encoder,
            fits=list(job.fits),
            folder=folder_of("probe", job),
            subsets=f"{RESULTS}/balance_subset",
            weights=optional("weights"),
            truth=optional("truth"),
        shell:
            "python -m cmr2ecg.steps.probe --settings {params.settings:q} --threads {threads} --log {log:q}"
            " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q}"
            " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q} {params.weights} {params.truth}"
            " --encoder {params.encoder} --fits {params.fits} --memory-mb {resources.data_mb} --output {params.folder:q}"


if TABULAR.fits:

    rule train_tabular:
        """Train the tabular baseline on age, sex, weight and height for every target with every seed (§IV-D.1)."""
        input:
            covariates=COVARIATES,
            split=SPLIT,
            labels=LABELS,
            phenotypes=PHENOTYPES,
            subsets=subsets(TABULAR),
            audit=AUDIT,
            selected=choices(TABULAR),
        output:
            predictions=fit_files("train_tabular", TABULAR.fits, "predictions.parquet"),
            metrics=fit_files("train_tabular", TABULAR.fits, "metrics.jsonl"),
            results=fit_files("train_tabular", TABULAR.fits, "result.json"),
        log:
            TABULAR.log,
        conda:
            ENVIRONMENT
        threads: THREADS.data
        resources:
            **needs("small", fits=len(TABULAR.fits)),
        params:
            code=code("train_tabular"),
            settings=TABULAR.settings,
            fits=list(TABULAR.fits),
            folder=lambda wildcards: f"{RESULTS}/train_tabular",
            subsets=f"{RESULTS}/balance_subset",
            selected=optional("selected"),
        shell:
            "python -m cmr2ecg.steps.train_tabular --settings {params.settings:q} --threads {threads} --log {log:q}"
            " --covariates {input.covariates:q} --split {input.split:q} --labels {input.labels:q}"
            " --phenotypes {input.phenotypes:q} --subsets {params.subsets:q} {params.selected}"
            " --fits {params.fits} --output {params.folder:q}"
