# Pre-trained encoders and balanced subsets to predictions.


rule finetune:
    """Fine-tune one encoder for one disease on one subset with every seed (§IV-C.2)."""
    input:
        code=code("finetune"),
        dataset=DATASET,
        split=SPLIT,
        labels="<results>/read_tabular/labels.parquet",
        phenotypes="<results>/read_tabular/phenotypes.parquet",
        subset="<results>/balance_subset/{target}_{fraction}.csv",
        audits=[AUDIT, "<results>/audit_subsets/{target}.json"],
        weights=lambda wildcards: PRETRAINED[wildcards.encoder],
        selected=lambda wildcards: choice(wildcards.encoder, wildcards.target),
    output:
        predictions="<results>/finetune/{encoder}/{target}/{fraction}/predictions.parquet",
        metrics="<results>/finetune/{encoder}/{target}/{fraction}/metrics.jsonl",
        result="<results>/finetune/{encoder}/{target}/{fraction}/result.json",
    log:
        "<results>/logs/finetune/{encoder}/{target}/{fraction}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["finetune"]
    resources:
        mem_mb=config["memory_mb"],
    params:
        settings=finetune_settings,
        folder=f"{RESULTS}/finetune/{{encoder}}",
        subsets=subpath(input.subset, parent=True),
        weights=optional("weights"),
        selected=lambda wildcards, input: (
            f"--selected {shlex.quote(f'{wildcards.target}={input.selected}')}"
            if input.selected
            else ""
        ),
    shell:
        "python -m cmr2ecg.steps.finetune --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q} --phenotypes {input.phenotypes:q}"
        " --subsets {params.subsets:q} {params.weights} {params.selected} --encoder {wildcards.encoder}"
        " --fits {wildcards.target}/{wildcards.fraction}"
        " --memory-mb {resources.mem_mb} --output {params.folder:q}"


rule train_tabular:
    """Train the tabular baseline on age, sex, weight and height with every seed (§IV-D.1)."""
    input:
        code=code("train_tabular"),
        covariates="<results>/read_tabular/covariates.parquet",
        split=SPLIT,
        values=target_values,
        subset=target_subset,
        audits=target_audits,
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
    params:
        settings=settings("train_tabular"),
        folder=subpath(output.result, parent=True),
        subset=optional("subset"),
        selected=optional("selected"),
    shell:
        "python -m cmr2ecg.steps.train_tabular --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --covariates {input.covariates:q} --split {input.split:q} --values {input.values:q} {params.subset}"
        " {params.selected} --target {wildcards.target} --fraction {wildcards.fraction} --output {params.folder:q}"
