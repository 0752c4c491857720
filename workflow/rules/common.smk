# What all rules share: the environment of jobs, the checked settings, and the jobs of the study (src/cmr2ecg/study).

import ast
import json
import os
import re
import shlex
import sys
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The clone, whether Snakefile or workflow/Snakefile is run.
CLONE = os.path.abspath(workflow.basedir)
if not os.path.isdir(os.path.join(CLONE, "src")):
    CLONE = os.path.dirname(CLONE)
SOURCE = os.path.join(CLONE, "src")
# Nothing is imported from the working directory: Snakemake puts the Snakefile's folder first, `python -m` its own.
sys.path[:] = [SOURCE, *(path for path in sys.path if path != workflow.basedir)]
os.environ.update({"PYTHONSAFEPATH": "1"})
# To check the config files profiles/default may have loaded an installed package, of another clone.
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "cmr2ecg" and SOURCE not in str(module.__file__):
        del sys.modules[name]
# Jobs find the package and this Python without being installed or activated; an empty entry is the working directory.
for variable, folder in (
    ("PYTHONPATH", SOURCE),
    ("PATH", os.path.dirname(sys.executable)),
):
    found = [folder, *filter(None, os.environ.get(variable, "").split(os.pathsep))]
    os.environ.update({variable: os.pathsep.join(found)})

from cmr2ecg.cohort.raw_files import RawFiles
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.runtime.gpus import uses_gpu
from cmr2ecg.study import (
    figure_jobs,
    fit_jobs,
    pretraining_jobs,
    report_jobs,
    sections,
    sweep_jobs,
)
from cmr2ecg.study.ablations import with_ablations
from cmr2ecg.study.cluster import job_memory_mb, job_minutes
from cmr2ecg.study.config import check, check_files, check_raw_paths
from cmr2ecg.study.config_file import read_config
from cmr2ecg.study.files import (
    AUDIT,
    COVARIATES,
    DATASET,
    DATES,
    EVALUATED,
    FLOW,
    HIDDEN,
    LABELS,
    PHENOTYPES,
    SPLIT,
    TRUTH,
    UNPAIRED,
    VISITS,
    fit_files,
    shard_files,
)

RESULTS = f"results/{config['cohort']}"
try:
    for path in workflow.overwrite_configfiles:
        read_config(path)
    SETTINGS = with_ablations(check(config))
    check_raw_paths(dict(SETTINGS.raw))
    check_files("init", dict(SETTINGS.init))
    RAW_FILES = RawFiles(SETTINGS, RESULTS, main=workflow.is_main_process)
    # Raw files that cannot be listed end the run here, before anything is written.
    SHARDS = RAW_FILES.ledger.numbers()
except InputError as error:
    raise WorkflowError(str(error)) from None

SIMULATED = RAW_FILES.simulated
# Rules name these files in functions: Snakemake's report shows a rule's inputs as they stand there.
RAW = RAW_FILES.places
WITH_CMR = RAW_FILES.with_cmr
# ECGs without an image, for the pre-trainings on ECGs alone: cleaned in shards of their own, so that those of the pairs
# stay as they are with and without them.
WITH_UNPAIRED = SETTINGS.index_cohort.unpaired_ecgs
UNPAIRED_ECGS = ["<results>/assemble_dataset/unpaired.h5"] if WITH_UNPAIRED else []
UNPAIRED_AUDIT = ["<results>/audit_leakage/unpaired.json"] if WITH_UNPAIRED else []
AND_UNPAIRED = " --unpaired {input.unpaired:q}" if WITH_UNPAIRED else ""

GPU = int(uses_gpu(SETTINGS.device))
PRETRAININGS = pretraining_jobs.pretrainings(SETTINGS)
FINETUNINGS = fit_jobs.finetune_jobs(SETTINGS, bool(GPU))
PROBES = fit_jobs.probe_jobs(SETTINGS)
TABULAR = fit_jobs.tabular_job(SETTINGS)
SWEPT = sweep_jobs.swept(SETTINGS)

ENVIRONMENT = "../../envs/environment.yaml"
THREADS = SETTINGS.threads
# Several processes share one training, one for each GPU of the job; a change of their number alone reruns nothing.
# Without "--" torchrun would take the step's --log for one of its own options.
LAUNCH = (
    "$(count={resources.gpu}; test $count -gt 0 || count={resources.processes};"
    " test $count -gt 1 && echo torchrun --standalone --nproc_per_node $count -m -- || echo python -m) cmr2ecg.steps."
)
CODE = "code "  # before the digest: it is found by it among recorded parameters
