# The dataset to pre-trained encoders.


PRETRAIN_FIRST = 50  # most fine-tunings wait for these, so they go before those that wait for nothing
PAIRS_FIRST = 60  # two pre-trainings after each other and most fine-tunings wait for these
MMCL_RATES = [f"{rate:g}" for rate in SETTINGS.pretrain.mmcl.base_lrs]


rule pretrain_mae:
    """Pre-train the ECG encoder by masked data modelling (§III-A); an ablation may have one of its own."""
    input:
        dataset=DATASET,
        split=SPLIT,
        audit=[AUDIT, *UNPAIRED_AUDIT],
        unpaired=UNPAIRED_ECGS,
    output:
        encoder="<results>/pretrain_mae/{name}/encoder.safetensors",
        autoencoder="<results>/pretrain_mae/{name}/autoencoder.safetensors",
        metrics="<results>/pretrain_mae/{name}/metrics.jsonl",
        result="<results>/pretrain_mae/{name}/result.json",
    log:
        "<results>/logs/pretrain_mae/{name}.log",
    wildcard_constraints:
        name="|".join(PRETRAININGS.mae),
    priority: PAIRS_FIRST
    conda:
        ENVIRONMENT
    threads: THREADS.pretrain
    resources:
        **pretraining_needs(unpaired=WITH_UNPAIRED),
    params:
        code=code("pretrain_mae"),
        settings=lambda wildcards: PRETRAININGS.mae[wildcards.name].settings,
        folder=subpath(output.result, parent=True),
    shell:
        f"{LAUNCH}pretrain_mae"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.data_mb} --output {params.folder:q}"
        f"{AND_UNPAIRED}"


rule pretrain_contrastive:
    """Pre-train the ECG encoder with a contrastive baseline: SimCLR, BYOL, Barlow Twins or CLOCS (§IV-D.1)."""
    input:
        dataset=DATASET,
        split=SPLIT,
        audit=[AUDIT, *UNPAIRED_AUDIT],
        unpaired=UNPAIRED_ECGS,
    output:
        encoder="<results>/pretrain_contrastive/{baseline}/encoder.safetensors",
        metrics="<results>/pretrain_contrastive/{baseline}/metrics.jsonl",
        result="<results>/pretrain_contrastive/{baseline}/result.json",
    log:
        "<results>/logs/pretrain_contrastive/{baseline}.log",
    wildcard_constraints:
        baseline="|".join(PRETRAININGS.contrastive),
    priority: PRETRAIN_FIRST
    conda:
        ENVIRONMENT
    threads: THREADS.pretrain
    resources:
        **pretraining_needs(unpaired=WITH_UNPAIRED),
    params:
        code=code("pretrain_contrastive"),
        settings=lambda wildcards: PRETRAININGS.contrastive[wildcards.baseline].settings,
        folder=subpath(output.result, parent=True),
        baseline=lambda wildcards: PRETRAININGS.contrastive[wildcards.baseline].repeats,
    shell:
        f"{LAUNCH}pretrain_contrastive"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --baseline {params.baseline}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.data_mb} --output {params.folder:q}"
        f"{AND_UNPAIRED}"


rule pretrain_cmr:
    """Pre-train the CMR encoder with SimCLR (§IV-C.1)."""
    input:
        dataset=DATASET,
        split=SPLIT,
        audit=AUDIT,
    output:
        encoder="<results>/pretrain_cmr/{name}/encoder.safetensors",
        metrics="<results>/pretrain_cmr/{name}/metrics.jsonl",
        result="<results>/pretrain_cmr/{name}/result.json",
    log:
        "<results>/logs/pretrain_cmr/{name}.log",
    wildcard_constraints:
        name="|".join(PRETRAININGS.cmr),
    priority: PAIRS_FIRST
    conda:
        ENVIRONMENT
    threads: THREADS.pretrain
    resources:
        **pretraining_needs(),
    params:
        code=code("pretrain_cmr"),
        settings=lambda wildcards: PRETRAININGS.cmr[wildcards.name].settings,
        folder=subpath(output.result, parent=True),
    shell:
        f"{LAUNCH}pretrain_cmr"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.data_mb} --output {params.folder:q}"


rule pretrain_mmcl:
    """Pre-train the ECG encoder against CMR images at one base learning rate (§III-B).

    It starts from the MAE or ("without MDM") from random weights.
    """
    input:
        dataset=DATASET,
        split=SPLIT,
        audit=AUDIT,
        cmr_encoder=lambda wildcards: PRETRAININGS.mmcl[wildcards.name].cmr_encoder,
        ecg_encoder=lambda wildcards: PRETRAININGS.mmcl[wildcards.name].ecg_encoder or [],
    output:
        encoder="<results>/pretrain_mmcl/{name}/candidates/{rate}/encoder.safetensors",
        image_encoder="<results>/pretrain_mmcl/{name}/candidates/{rate}/image_encoder.safetensors",
        projector="<results>/pretrain_mmcl/{name}/candidates/{rate}/projector.safetensors",
        image_projector="<results>/pretrain_mmcl/{name}/candidates/{rate}/image_projector.safetensors",
        metrics="<results>/pretrain_mmcl/{name}/candidates/{rate}/metrics.jsonl",
        result="<results>/pretrain_mmcl/{name}/candidates/{rate}/result.json",
    log:
        "<results>/logs/pretrain_mmcl/{name}/{rate}.log",
    wildcard_constraints:
        name="|".join(PRETRAININGS.mmcl),
    priority: PAIRS_FIRST
    conda:
        ENVIRONMENT
    threads: THREADS.pretrain
    resources:
        **pretraining_needs(),
    params:
        code=code("pretrain_mmcl"),
        settings=lambda wildcards: PRETRAININGS.mmcl[wildcards.name].candidates[wildcards.rate],
        folder=subpath(output.result, parent=True),
        start=lambda wildcards, input: (f"--ecg-encoder {input.ecg_encoder}" if input.ecg_encoder else ""),
    shell:
        f"{LAUNCH}pretrain_mmcl"
        " --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.data_mb} --output {params.folder:q}"
        " --cmr-encoder {input.cmr_encoder:q} {params.start}"


rule select_mmcl:
    """Take the candidate with the lowest validation loss (§IV-C.2: a sweep over base learning rates)."""
    input:
        candidates=expand(
            "<results>/pretrain_mmcl/{{name}}/candidates/{rate}/{file}",
            rate=MMCL_RATES,
            file=pretraining_jobs.MMCL_FILES,
        ),
    output:
        expand("<results>/pretrain_mmcl/{{name}}/{file}", file=pretraining_jobs.MMCL_FILES),
    log:
        "<results>/logs/select_mmcl/{name}.log",
    wildcard_constraints:
        name="|".join(PRETRAININGS.mmcl),
    priority: PAIRS_FIRST
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("select_mmcl"),
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        candidates=MMCL_RATES,
    shell:
        "python -m cmr2ecg.steps.select_mmcl --threads {threads} --log {log:q}"
        " --output {params.folder:q} --candidates {params.candidates:q}"


rule import_weights:
    """Take an encoder's weights from a file of elsewhere in place of a pre-training here."""
    input:
        weights=lambda wildcards: getattr(SETTINGS.init, wildcards.name),
    output:
        encoder="<results>/import_weights/{name}/encoder.safetensors",
        result="<results>/import_weights/{name}/result.json",
    log:
        "<results>/logs/import_weights/{name}.log",
    wildcard_constraints:
        name="|".join(PRETRAININGS.imported) or "none",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("import_weights"),
        settings=lambda wildcards: pretraining_jobs.import_settings(SETTINGS, wildcards.name),
        folder=subpath(output.result, parent=True),
    shell:
        "python -m cmr2ecg.steps.import_weights --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --name {wildcards.name} --weights {input.weights:q} --output {params.folder:q}"
