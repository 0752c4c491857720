# The figures: each a module cmr2ecg.report.figures.NAME.

from cmr2ecg.study.named_subjects import version_of

MEASURED = figure_jobs.measured(SETTINGS)
SCORED = figure_jobs.scored(SETTINGS)
# The subjects of make_figure.eids go to the job through a file, and reports show its version (hooks.smk writes it).
NAMED = f"{RESULTS}/index_shard/named_subjects.json"
NAMED_EIDS = SETTINGS.make_figure.eids
NAMED_VERSION = version_of(NAMED, NAMED_EIDS) if NAMED_EIDS else ""


rule make_figure:
    """Draw one figure of the paper, or of the data's quality."""
    input:
        unpack(lambda wildcards: figure(wildcards).inputs),
    output:
        png=report(
            "<results>/make_figure/{figure}.png",
            caption="../report/figure.rst",
            category=lambda wildcards: report_jobs.figure_category(
                wildcards.figure, SETTINGS.make_figure.quality_figures
            ),
            labels=lambda wildcards: report_jobs.figure_label(wildcards.figure),
        ),
        pdf="<results>/make_figure/{figure}.pdf",
    log:
        "<results>/logs/make_figure/{figure}.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("make_figure", "cmr2ecg.report.figures.{figure}"),
        settings=lambda wildcards: figure(wildcards).told(SETTINGS),
        inputs=named_files(lambda wildcards: figure(wildcards).inputs),
        named=named_option,
        version=lambda wildcards: NAMED_VERSION if named_option(wildcards) else "",
    shell:
        "python -m cmr2ecg.steps.make_figure --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --figure {wildcards.figure} --inputs {params.inputs} {params.named} --png {output.png:q} --pdf {output.pdf:q}"


rule score_heatmap:
    """Measure similarity maps (§III-C, §V-E), and how often ECG and image find each other, against permuted pairs."""
    input:
        **MEASURED,
        dataset=DATASET,
        split=SPLIT,
        visits=VISITS,
        cmr=shard_files("crop_cmr", SHARDS, ".h5"),
        truth=TRUTH if SIMULATED else [],
    output:
        **(SCORED or figure_jobs.SCORED),
    log:
        "<results>/logs/score_heatmap.log",
    conda:
        ENVIRONMENT
    threads: THREADS.pretrain
    resources:
        **training_needs("fit"),
    params:
        code=code("score_heatmap"),
        settings=figure_jobs.heatmap_settings(SETTINGS),
        models=named_files(MEASURED),
        truth=optional("truth"),
        heatmap=optional("heatmap"),
        raw=RAW_FILES.options_file,
    shell:
        "python -m cmr2ecg.steps.score_heatmap --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --models {params.models} --dataset {input.dataset:q} --split {input.split:q} --visits {input.visits:q}"
        " --raw {params.raw:q} --cmr {input.cmr:q} {params.truth} --memory-mb {resources.data_mb}"
        " {params.heatmap} --retrieval {output.retrieval:q}"
