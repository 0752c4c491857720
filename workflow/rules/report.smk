# Predictions to tables, figures and MLflow runs.

FRACTIONS = config["balance_subset"]["fractions"]
FITS = expand(
    "<results>/finetune/{encoder}/{target}/{fraction}",
    encoder=config["finetune"]["encoders"],
    target=config["finetune"]["targets"],
    fraction=FRACTIONS,
) + expand(
    "<results>/train_tabular/{target}/{fraction}",
    target=config["train_tabular"]["targets"],
    fraction=FRACTIONS,
)
PRETRAININGS = pretrainings(config["finetune"]["encoders"])
TABLES = expand(
    "<results>/make_table/table_{table}.csv", table=config["make_table"]["tables"]
)
FIGURES = expand(
    "<results>/make_figure/figure_{figure}.png", figure=config["make_figure"]["figures"]
)


rule evaluate:
    """Score every prediction: the only step that looks at the test labels' metrics."""
    input:
        code=code("evaluate"),
        predictions=expand("{fit}/predictions.parquet", fit=FITS),
        results=expand("{fit}/result.json", fit=FITS),
    output:
        metrics="<results>/evaluate/metrics.csv",
        intervals="<results>/evaluate/intervals.csv",
    log:
        "<results>/logs/evaluate.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=settings("evaluate"),
    shell:
        "python -m cmr2ecg.steps.evaluate --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --predictions {input.predictions:q} --results {input.results:q}"
        " --metrics {output.metrics:q} --intervals {output.intervals:q}"


rule make_table:
    """Set one table of the paper, ours beside the paper's."""
    input:
        code=code("make_table"),
        metrics="<results>/evaluate/metrics.csv",
    output:
        csv="<results>/make_table/table_{table}.csv",
        md=report(
            "<results>/make_table/table_{table}.md",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        tex="<results>/make_table/table_{table}.tex",
    log:
        "<results>/logs/make_table/table_{table}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        cohort=config["cohort"],
    shell:
        "python -m cmr2ecg.steps.make_table --threads {threads} --log {log:q} --cohort {params.cohort:q}"
        " --table {wildcards.table} --metrics {input.metrics:q}"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q}"


rule make_figure:
    """Draw one figure of the paper."""
    input:
        code=lambda wildcards: code(
            "make_figure", f"cmr2ecg.evaluate.figures.figure_{wildcards.figure}"
        ),
        intervals="<results>/evaluate/intervals.csv",
    output:
        png=report(
            "<results>/make_figure/figure_{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        pdf="<results>/make_figure/figure_{figure}.pdf",
    log:
        "<results>/logs/make_figure/figure_{figure}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=settings("make_figure"),
    shell:
        "python -m cmr2ecg.steps.make_figure --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --figure {wildcards.figure} --intervals {input.intervals:q} --png {output.png:q} --pdf {output.pdf:q}"


rule track:
    """Import every training, table and figure into MLflow; run again, it replaces its own runs."""
    input:
        code=code("track"),
        runs=expand("{folder}/result.json", folder=PRETRAININGS + FITS),
        curves=expand("{folder}/metrics.jsonl", folder=PRETRAININGS + FITS),
        metrics="<results>/evaluate/metrics.csv",
        artifacts=TABLES + [path.replace(".csv", ".md") for path in TABLES] + FIGURES,
    output:
        "<results>/track/tracked.json",
    log:
        "<results>/logs/track.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        cohort=config["cohort"],
        database=f"{RESULTS}/mlflow.db",
        artifacts=f"{RESULTS}/mlartifacts",
    shell:
        "python -m cmr2ecg.steps.track --threads {threads} --log {log:q} --cohort {params.cohort:q}"
        " --runs {input.runs:q} --artifacts {input.artifacts:q} --metrics {input.metrics:q}"
        " --database {params.database:q} --artifact-root {params.artifacts:q} --output {output:q}"
