# The dataset to pre-trained encoders.


rule pretrain_mae:
    """Pre-train the ECG encoder by masked data modelling (§III-A)."""
    input:
        code=code("pretrain_mae"),
        dataset=DATASET,
        split=SPLIT,
        audit=AUDIT,
    output:
        encoder="<results>/pretrain_mae/mae/encoder.safetensors",
        autoencoder="<results>/pretrain_mae/mae/autoencoder.safetensors",
        metrics="<results>/pretrain_mae/mae/metrics.jsonl",
        result="<results>/pretrain_mae/mae/result.json",
    log:
        "<results>/logs/pretrain_mae/mae.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        mem_mb=config["memory_mb"],
    params:
        settings=training_settings(
            config["pretrain"]["mae"], "ecg_encoder", "mae_decoder"
        ),
        folder=subpath(output.result, parent=True),
    shell:
        "python -m cmr2ecg.steps.pretrain_mae --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.mem_mb} --output {params.folder:q}"


rule pretrain_cmr:
    """Pre-train the CMR encoder with SimCLR (§IV-C.1)."""
    input:
        code=code("pretrain_cmr"),
        dataset=DATASET,
        split=SPLIT,
        audit=AUDIT,
    output:
        encoder="<results>/pretrain_cmr/simclr/encoder.safetensors",
        metrics="<results>/pretrain_cmr/simclr/metrics.jsonl",
        result="<results>/pretrain_cmr/simclr/result.json",
    log:
        "<results>/logs/pretrain_cmr/simclr.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        mem_mb=config["memory_mb"],
    params:
        settings=training_settings(config["pretrain"]["cmr"], "cmr_encoder"),
        folder=subpath(output.result, parent=True),
    shell:
        "python -m cmr2ecg.steps.pretrain_cmr --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.mem_mb} --output {params.folder:q}"


rule pretrain_mmcl:
    """Pre-train the ECG encoder against CMR images, from the MAE or ("without MDM") from random weights (§III-B)."""
    input:
        code=code("pretrain_mmcl"),
        dataset=DATASET,
        split=SPLIT,
        audit=AUDIT,
        cmr_encoder="<results>/pretrain_cmr/simclr/encoder.safetensors",
        ecg_encoder=lambda wildcards: MMCL_STARTS[wildcards.name],
    output:
        encoder="<results>/pretrain_mmcl/{name}/encoder.safetensors",
        image_encoder="<results>/pretrain_mmcl/{name}/image_encoder.safetensors",
        projector="<results>/pretrain_mmcl/{name}/projector.safetensors",
        image_projector="<results>/pretrain_mmcl/{name}/image_projector.safetensors",
        metrics="<results>/pretrain_mmcl/{name}/metrics.jsonl",
        result="<results>/pretrain_mmcl/{name}/result.json",
    log:
        "<results>/logs/pretrain_mmcl/{name}.log",
    wildcard_constraints:
        name="mmcl|mmcl_without_mdm",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        mem_mb=config["memory_mb"],
    params:
        settings=training_settings(
            config["pretrain"]["mmcl"], "ecg_encoder", "cmr_encoder", "projector"
        ),
        folder=subpath(output.result, parent=True),
        start=lambda wildcards, input: (
            f"--ecg-encoder {input.ecg_encoder}" if input.ecg_encoder else ""
        ),
    shell:
        "python -m cmr2ecg.steps.pretrain_mmcl --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.mem_mb} --output {params.folder:q}"
        " --cmr-encoder {input.cmr_encoder:q} {params.start}"
