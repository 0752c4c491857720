from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config/paper.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/functions.smk"


pathvars:
    results=RESULTS,


include: "workflow/rules/hooks.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/release.smk"


rule all:
    """Every table, figure and MLflow run of the study."""
    default_target: True
    input:
        STUDY,
        "<results>/audit_withdrawn/audit.json",
