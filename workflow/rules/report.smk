# Predictions to tables, figures and MLflow runs.

FITS = report_jobs.all_fits(SETTINGS, FINETUNINGS, PROBES)
TRAININGS = [*PRETRAININGS.folders(SETTINGS.finetune.encoders + SETTINGS.probe.encoders), *FITS]
TABLES = report_jobs.table_files(SETTINGS)
HEADLINE = report_jobs.headline_files(SETTINGS)
FIGURES = report_jobs.figure_files(SETTINGS, FINETUNINGS, PROBES)
RELEASES = report_jobs.release_files(SETTINGS)
STUDY = [
    *TABLES,
    *FIGURES,
    *SCORED.values(),
    *RELEASES,
    "<results>/track/tracked.json",
    "<results>/trace_numbers/provenance.json",
    "<results>/describe_run/run.html",
]


rule evaluate:
    """Score every prediction: the only step that looks at the test labels' metrics."""
    input:
        predictions=expand("{fit}/predictions.parquet", fit=FITS),
        results=expand("{fit}/result.json", fit=FITS),
        split=SPLIT,
        labels=LABELS,
        covariates=COVARIATES,
        dates=DATES,
        visits=VISITS,
        audits=expand(
            "<results>/audit_subsets/{target}.json",
            target=fit_jobs.subset_targets(FITS),
        ),
    output:
        **EVALUATED,
    log:
        "<results>/logs/evaluate.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("evaluate"),
        settings=settings("evaluate"),
        folder=subpath(output.metrics, parent=True),
    shell:
        "python -m cmr2ecg.steps.evaluate --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --predictions {input.predictions:q} --results {input.results:q} --split {input.split:q}"
        " --labels {input.labels:q} --covariates {input.covariates:q} --dates {input.dates:q}"
        " --visits {input.visits:q}"
        " --output {params.folder:q}"


rule make_table:
    """Set one table of the paper, ours beside the paper's, or one that goes beyond it."""
    input:
        unpack(lambda wildcards: report_jobs.scored_for(SETTINGS, wildcards.table)),
        **EVALUATED,
    output:
        csv="<results>/make_table/table_{table}.csv",
        md="<results>/make_table/table_{table}.md",
        tex="<results>/make_table/table_{table}.tex",
        html=report(
            "<results>/make_table/table_{table}.html",
            caption="../report/table.rst",
            category=lambda wildcards: report_jobs.table_category(wildcards.table),
            labels=lambda wildcards: report_jobs.table_label(wildcards.table),
        ),
    log:
        "<results>/logs/make_table/table_{table}.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("make_table"),
        cohort=SETTINGS.cohort,
        folder=subpath(input.metrics, parent=True),
        heatmap=optional("heatmap"),
        retrieval=optional("retrieval"),
    shell:
        "python -m cmr2ecg.steps.make_table --threads {threads} --log {log:q} --cohort {params.cohort:q}"
        " --table {wildcards.table} --evaluated {params.folder:q} {params.heatmap} {params.retrieval}"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} --html {output.html:q}"


rule trace_numbers:
    """Write down for each number in each table the predictions, seeds, settings and code it came from."""
    input:
        **SCORED,
        predictions=expand("{fit}/predictions.parquet", fit=FITS),
        results=expand("{fit}/result.json", fit=FITS),
        split=SPLIT,
        labels=LABELS,
        covariates=COVARIATES,
        dates=DATES,
        visits=VISITS,
        untrained=EVALUATED["untrained"],
        tables=TABLES,
    output:
        "<results>/trace_numbers/provenance.json",
    log:
        "<results>/logs/trace_numbers.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("trace_numbers"),
        settings=settings("evaluate"),
        cohort=SETTINGS.cohort,
        heatmap=optional("heatmap"),
        retrieval=optional("retrieval"),
    shell:
        "python -m cmr2ecg.steps.trace_numbers --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --predictions {input.predictions:q} --results {input.results:q} --tables {input.tables:q}"
        " --split {input.split:q} --labels {input.labels:q} --covariates {input.covariates:q} --dates {input.dates:q}"
        " --visits {input.visits:q}"
        " --untrained {input.untrained:q} {params.heatmap} {params.retrieval}"
        " --cohort {params.cohort:q} --output {output:q}"


rule describe_run:
    """Write the report's summary, the headline for the terminal, and what the run was: settings, versions, times, memory."""
    input:
        results=expand("{folder}/result.json", folder=TRAININGS),
        untrained=EVALUATED["untrained"],
        flow=FLOW,
        split=SPLIT,
        headline=HEADLINE,
    output:
        summary=report(
            "<results>/describe_run/summary.html",
            caption="../report/summary.rst",
            category=report_jobs.SUMMARY,
            labels={"item": "Summary"},
        ),
        text="<results>/describe_run/headline.txt",
        html=report(
            "<results>/describe_run/run.html",
            caption="../report/run.rst",
            category=report_jobs.RUN,
            labels={"page": "untrained models, settings, versions, run times"},
        ),
        csv="<results>/describe_run/run.csv",
    log:
        "<results>/logs/describe_run.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("describe_run"),
        settings=lambda wildcards: sections.shareable(SETTINGS),
        paper=report_jobs.paper_settings(),
        headline=optional("headline"),
    shell:
        "python -m cmr2ecg.steps.describe_run --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --paper {params.paper:q} --results {input.results:q} --untrained {input.untrained:q} --flow {input.flow:q} --split {input.split:q}"
        " {params.headline} --summary {output.summary:q} --text {output.text:q}"
        " --html {output.html:q} --csv {output.csv:q}"


rule track:
    """Import every training, table and figure into MLflow; run again, it replaces its own runs."""
    input:
        runs=expand("{folder}/result.json", folder=TRAININGS),
        curves=expand("{folder}/metrics.jsonl", folder=TRAININGS),
        sweeps=[f"<results>/sweep/{encoder}/{target}/result.json" for encoder, target in SWEPT],
        releases=RELEASES,
        metrics="<results>/evaluate/metrics.csv",
        artifacts=TABLES + [path.replace(".csv", ".md") for path in TABLES] + FIGURES + [*SCORED.values()],
    output:
        "<results>/track/tracked.json",
    log:
        "<results>/logs/track.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("track"),
        cohort=SETTINGS.cohort,
        database=DATABASE,
        artifacts=f"{RESULTS}/mlartifacts",
    shell:
        "python -m cmr2ecg.steps.track --threads {threads} --log {log:q} --cohort {params.cohort:q}"
        " --runs {input.runs:q} --sweeps {input.sweeps:q} --releases {input.releases:q}"
        " --artifacts {input.artifacts:q} --metrics {input.metrics:q}"
        " --database {params.database:q} --artifact-root {params.artifacts:q} --output {output:q}"


rule audit_withdrawn:
    """Stop if a withdrawn subject is left in any file of the results."""
    input:
        withdrawn=lambda wildcards: RAW["withdrawn"],
        everything=STUDY,
    output:
        "<results>/audit_withdrawn/audit.json",
    log:
        "<results>/logs/audit_withdrawn.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("audit_withdrawn"),
        results=lambda wildcards: RESULTS,
        raw=RAW_FILES.options_file,
        withdrawn=RAW_FILES.withdrawn_file,
    shell:
        "python -m cmr2ecg.steps.audit_withdrawn --threads {threads} --log {log:q}"
        + (
            " --withdrawn {params.withdrawn:q}"
            if RAW_FILES.data_set
            else " @{params.raw:q} --withdrawn {input.withdrawn:q}"
        )
        + " --results {params.results:q} --output {output:q}"
