# The dataset to pre-trained encoders.

DATASET = "<results>/assemble_dataset/dataset.h5"
SPLIT = "<results>/split_subjects/split.csv"
MMCL_STARTS = {"mmcl": "<results>/pretrain_mae/mae/encoder.safetensors", "mmcl_without_mdm": []}


def pretrainings(encoders):
    """Return the folders of the pre-trainings that the fine-tuned encoders need."""
    mmcl = [name for name in MMCL_STARTS if name in encoders]
    folders = [f"<results>/pretrain_mmcl/{name}" for name in mmcl]
    folders += ["<results>/pretrain_cmr/simclr"] if mmcl else []
    folders += ["<results>/pretrain_mae/mae"] if {"mae", "mmcl"} & set(encoders) else []
    return folders


rule pretrain_mae:
    """Pre-train the ECG encoder by masked data modelling (§III-A)."""
    input:
        code=code("pretrain_mae"),
        dataset=DATASET,
        split=SPLIT,
    output:
        encoder="<results>/pretrain_mae/mae/encoder.safetensors",
        autoencoder="<results>/pretrain_mae/mae/autoencoder.safetensors",
        metrics="<results>/pretrain_mae/mae/metrics.jsonl",
        result="<results>/pretrain_mae/mae/result.json",
    params:
        settings=training_settings(config["pretrain"]["mae"]),
        folder=subpath(output.result, parent=True),
    log:
        "<results>/logs/pretrain_mae/mae.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        mem_mb=config["memory_mb"],
    shell:
        "python -m cmr2ecg.steps.pretrain_mae --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.mem_mb} --output {params.folder:q}"


rule pretrain_cmr:
    """Pre-train the CMR encoder with SimCLR (§IV-C.1)."""
    input:
        code=code("pretrain_cmr"),
        dataset=DATASET,
        split=SPLIT,
    output:
        encoder="<results>/pretrain_cmr/simclr/encoder.safetensors",
        metrics="<results>/pretrain_cmr/simclr/metrics.jsonl",
        result="<results>/pretrain_cmr/simclr/result.json",
    params:
        settings=training_settings(config["pretrain"]["cmr"]),
        folder=subpath(output.result, parent=True),
    log:
        "<results>/logs/pretrain_cmr/simclr.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        mem_mb=config["memory_mb"],
    shell:
        "python -m cmr2ecg.steps.pretrain_cmr --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.mem_mb} --output {params.folder:q}"


rule pretrain_mmcl:
    """Pre-train the ECG encoder against CMR images, from the MAE or ("without MDM") from random weights (§III-B)."""
    input:
        code=code("pretrain_mmcl"),
        dataset=DATASET,
        split=SPLIT,
        cmr_encoder="<results>/pretrain_cmr/simclr/encoder.safetensors",
        ecg_encoder=lambda wildcards: MMCL_STARTS[wildcards.name],
    output:
        encoder="<results>/pretrain_mmcl/{name}/encoder.safetensors",
        image_encoder="<results>/pretrain_mmcl/{name}/image_encoder.safetensors",
        projector="<results>/pretrain_mmcl/{name}/projector.safetensors",
        image_projector="<results>/pretrain_mmcl/{name}/image_projector.safetensors",
        metrics="<results>/pretrain_mmcl/{name}/metrics.jsonl",
        result="<results>/pretrain_mmcl/{name}/result.json",
    wildcard_constraints:
        name="mmcl|mmcl_without_mdm",
    params:
        settings=training_settings(config["pretrain"]["mmcl"]),
        folder=subpath(output.result, parent=True),
        start=lambda wildcards, input: f"--ecg-encoder {input.ecg_encoder}" if input.ecg_encoder else "",
    log:
        "<results>/logs/pretrain_mmcl/{name}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        mem_mb=config["memory_mb"],
    shell:
        "python -m cmr2ecg.steps.pretrain_mmcl --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --memory-mb {resources.mem_mb} --output {params.folder:q}"
        " --cmr-encoder {input.cmr_encoder:q} {params.start}"
