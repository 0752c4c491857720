# Predictions to tables, figures and MLflow runs.

FRACTIONS = config["balance_subset"]["fractions"]
FITS = expand(
    "<results>/finetune/{encoder}/{target}/{fraction}",
    encoder=config["finetune"]["encoders"],
    target=config["finetune"]["targets"],
    fraction=FRACTIONS,
) + expand("<results>/train_tabular/{fit}", fit=fits_of("train_tabular"))
PRETRAININGS = pretrainings(config["finetune"]["encoders"])
EVALUATED = {
    name: f"<results>/evaluate/{name}.csv"
    for name in (
        "metrics",
        "intervals",
        "comparisons",
        "analyses",
        "calibration",
        "calibration_curve",
        "skipped",
    )
}
TABLES = expand(
    "<results>/make_table/table_{table}.csv",
    table=config["make_table"]["tables"] + config["make_table"]["supplements"],
)
FIGURES = expand(
    "<results>/make_figure/{figure}.png",
    figure=[f"figure_{number}" for number in config["make_figure"]["figures"]]
    + config["make_figure"]["quality_figures"],
)


rule evaluate:
    """Score every prediction: the only step that looks at the test labels' metrics."""
    input:
        code=code("evaluate"),
        predictions=expand("{fit}/predictions.parquet", fit=FITS),
        results=expand("{fit}/result.json", fit=FITS),
        split=SPLIT,
        labels="<results>/read_tabular/labels.parquet",
        covariates="<results>/read_tabular/covariates.parquet",
        dates="<results>/read_tabular/dates.parquet",
    output:
        **EVALUATED,
    log:
        "<results>/logs/evaluate.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=settings("evaluate"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python -m cmr2ecg.steps.evaluate --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --predictions {input.predictions:q} --results {input.results:q} --split {input.split:q}"
        " --labels {input.labels:q} --covariates {input.covariates:q} --dates {input.dates:q}"
        " --output {params.folder:q}"


rule make_table:
    """Set one table of the paper, ours beside the paper's, or one that goes beyond it."""
    input:
        **EVALUATED,
        code=code("make_table"),
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
        folder=subpath(input.metrics, parent=True),
    shell:
        "python -m cmr2ecg.steps.make_table --threads {threads} --log {log:q} --cohort {params.cohort:q}"
        " --table {wildcards.table} --evaluated {params.folder:q}"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q}"


rule trace_numbers:
    """Write down for each number in each table the predictions, seeds, settings and code it came from."""
    input:
        code=code("trace_numbers"),
        predictions=expand("{fit}/predictions.parquet", fit=FITS),
        results=expand("{fit}/result.json", fit=FITS),
        split=SPLIT,
        labels="<results>/read_tabular/labels.parquet",
        covariates="<results>/read_tabular/covariates.parquet",
        dates="<results>/read_tabular/dates.parquet",
        tables=TABLES,
    output:
        "<results>/trace_numbers/provenance.json",
    log:
        "<results>/logs/trace_numbers.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=settings("evaluate"),
        cohort=config["cohort"],
    shell:
        "python -m cmr2ecg.steps.trace_numbers --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --predictions {input.predictions:q} --results {input.results:q} --tables {input.tables:q}"
        " --split {input.split:q} --labels {input.labels:q} --covariates {input.covariates:q} --dates {input.dates:q}"
        " --cohort {params.cohort:q} --output {output:q}"


rule make_figure:
    """Draw one figure of the paper, or of the data's quality."""
    input:
        unpack(lambda wildcards: FIGURE_INPUTS[wildcards.figure]),
        code=lambda wildcards: code(
            "make_figure", f"cmr2ecg.evaluate.figures.{wildcards.figure}"
        ),
    output:
        png=report(
            "<results>/make_figure/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        pdf="<results>/make_figure/{figure}.pdf",
    log:
        "<results>/logs/make_figure/{figure}.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        settings=figure_settings,
        inputs=figure_arguments,
    shell:
        "python -m cmr2ecg.steps.make_figure --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --figure {wildcards.figure} --inputs {params.inputs} --png {output.png:q} --pdf {output.pdf:q}"


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


rule audit_withdrawn:
    """Stop if a withdrawn subject is left in any file of the results."""
    input:
        code=code("audit_withdrawn"),
        withdrawn=RAW["withdrawn"],
        everything=["<results>/track/tracked.json", *TABLES, *FIGURES],
    output:
        "<results>/audit_withdrawn/audit.json",
    log:
        "<results>/logs/audit_withdrawn.log",
    conda:
        ENVIRONMENT
    threads: config["threads"]["data"]
    params:
        results=RESULTS,
    shell:
        "python -m cmr2ecg.steps.audit_withdrawn --threads {threads} --log {log:q}"
        " --results {params.results:q} --withdrawn {input.withdrawn:q} --output {output:q}"
