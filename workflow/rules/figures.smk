# The figures: each a module cmr2ecg.report.figures.NAME.


rule make_figure:
    """Draw one figure of the paper, or of the data's quality."""
    input:
        unpack(lambda wildcards: FIGURE_INPUTS[wildcards.figure]),
    output:
        png=report(
            "<results>/make_figure/{figure}.png",
            caption="../report/figure.rst",
            category=lambda wildcards: figure_category(wildcards.figure),
            labels=lambda wildcards: figure_label(wildcards.figure),
        ),
        pdf="<results>/make_figure/{figure}.pdf",
    log:
        "<results>/logs/make_figure/{figure}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    resources:
        **needs("cohort"),
    params:
        code=code("make_figure", "cmr2ecg.report.figures.{figure}"),
        settings=figure_settings,
        inputs=named_files(lambda wildcards: FIGURE_INPUTS[wildcards.figure]),
        named=figure_named,
        version=lambda wildcards: NAMED_VERSION if figure_named(wildcards) else "",
    shell:
        "python -m cmr2ecg.steps.make_figure --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --figure {wildcards.figure} --inputs {params.inputs} {params.named} --png {output.png:q} --pdf {output.pdf:q}"


rule score_heatmap:
    """Measure how far the similarity maps fall on the left ventricle, against shuffled pairs (§III-C, §V-E)."""
    input:
        **MEASURED,
        dataset=DATASET,
        split=SPLIT,
        visits="<results>/index_cohort/visits.parquet",
        cmr=expand("<results>/crop_cmr/{shard}.h5", shard=SHARDS),
        truth="<results>/simulate_cohort/truth.parquet" if SIMULATED else [],
    output:
        "<results>/score_heatmap/heatmap.csv",
    log:
        "<results>/logs/score_heatmap.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["pretrain"]
    resources:
        **training_needs("fit", gpus=GPU),
    params:
        code=code("score_heatmap"),
        settings=json.dumps(
            {
                **{
                    key: value
                    for key, value in config["heatmap"].items()
                    if key != "temperature"
                },
                "models": MAP_MODELS,
                "channels": config["crop_cmr"]["channels"],
                "read": READ_LIMITS,
            },
            sort_keys=True,
        ),
        models=named_files(MEASURED),
        truth=optional("truth"),
        raw=RAW_OPTIONS,
    shell:
        "python -m cmr2ecg.steps.score_heatmap --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --models {params.models} --dataset {input.dataset:q} --split {input.split:q} --visits {input.visits:q}"
        " --raw {params.raw:q} --cmr {input.cmr:q} {params.truth} --memory-mb {resources.data_mb} --output {output:q}"
