# A finished encoder to the folder that `cmr2ecg predict` runs on.


rule release:
    """Put an encoder's fits together to a folder with weights, settings and model card; predict needs nothing else."""
    input:
        fits=lambda wildcards: released(wildcards.encoder, "result.json"),
        predictions=lambda wildcards: released(wildcards.encoder, "predictions.parquet"),
        weights=lambda wildcards: PRETRAININGS.weights[wildcards.encoder][:1],
        split=SPLIT,
        labels=LABELS,
        flow=FLOW,
        intervals=EVALUATED["intervals"],
        analyses=EVALUATED["analyses"],
        calibration=EVALUATED["calibration"],
    output:
        "<results>/release/{encoder}/model.safetensors",
        "<results>/release/{encoder}/config.json",
        "<results>/release/{encoder}/README.md",
        "<results>/release/{encoder}/model.onnx" if SETTINGS.release.onnx else [],
        sums="<results>/release/{encoder}/SHA256SUMS",  # beside embedding.onnx, of a pre-trained encoder
    log:
        "<results>/logs/release/{encoder}.log",
    wildcard_constraints:
        encoder="[a-z0-9_]+",
    priority: 10  # before the tables, since the last step waits for it
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("release"),
        settings=sections.release_settings(SETTINGS),
        folder=subpath(output.sums, parent=True),
        fits=lambda wildcards, input: [os.path.dirname(path) for path in input.fits],
        cohort=SETTINGS.cohort,
        synthetic="--synthetic" if SIMULATED else "",
        weights=optional("weights"),
    shell:
        "python -m cmr2ecg.steps.release --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --name {wildcards.encoder} --cohort {params.cohort:q} {params.synthetic} {params.weights}"
        " --fits {params.fits:q} --split {input.split:q} --labels {input.labels:q} --flow {input.flow:q}"
        " --intervals {input.intervals:q} --analyses {input.analyses:q} --calibration {input.calibration:q}"
        " --output {params.folder:q}"
