"""Settings of the run as a whole: cores, processes, what a cluster is asked for, where the raw files are."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cmr2ecg.study.settings.base import Count, NotNegative, Path, Section, Values, setting

CohortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Shards = Annotated[int, Field(ge=1, le=10000)]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "bf16", "fp32"]
Step = Literal[
    "simulate_cohort", "index_shard", "index_cohort", "clean_ecg", "crop_cmr", "read_tabular", "assemble_dataset",
    "split_subjects", "balance_subset", "audit_leakage", "pretrain_mae", "pretrain_contrastive", "pretrain_cmr",
    "pretrain_mmcl", "select_mmcl", "hide_test", "sweep", "sweep_tabular", "select", "finetune", "probe",
    "train_tabular", "evaluate", "make_table", "trace_numbers", "describe_run", "score_heatmap", "make_figure", "track",
    "audit_subsets", "audit_withdrawn", "release", "import_weights",
]  # fmt: skip


class Threads(Section):
    """Cores of one job. `snakemake --cores N` caps them; small jobs run side by side."""

    data: Count = setting(1, "each job that reads, cleans or writes data")
    simulate_cohort: Count = setting(2, "the job that writes the synthetic cohort")
    pretrain: Count = setting(8, "a pre-training")
    finetune: Count = setting(4, "a fine-tuning")


class Processes(Section):
    """Processes of one job, started together by `torchrun`, each on a GPU where the job has any.

    They share the job's threads. On GPUs (`device: cuda`, or `auto` on a machine that has one) the job asks for as
    many, resource `gpu`, and starts one process for each: for one run `snakemake --set-resources pretrain_mae:gpu=4`.
    On processors `--set-resources pretrain_mae:processes=4`. A job that uses a GPU asks for one, so on a machine with
    one GPU `snakemake --cores all --resources gpu=1` runs these jobs one after the other and the others beside them.
    Results do not depend on the number, but for rounding.
    """

    pretrain: Count = setting(1, "a pre-training; the batch size is that of all processes together")


class Need(Section):
    """What one kind of job needs: a base, and more for every 1000 subjects."""

    one_line: ClassVar[bool] = True
    memory_mb: Count = setting(2000, "MB whatever the number of subjects")
    memory_mb_per_1000: NotNegative = setting(10, "MB more for every 1000 subjects")
    minutes: Count = setting(30, "minutes whatever the number of subjects")
    minutes_per_1000: NotNegative = setting(1, "minutes more for every 1000 subjects")


class Cluster(Section):
    """What a job asks a cluster for, times the attempt; a change reruns nothing.

    A base and more for every 1000 subjects that have raw files. A run on one machine takes no notice of it. Cores are
    `threads`, GPUs `processes`. How to run on a cluster: [docs/cluster.md](../docs/cluster.md).
    """

    most_memory_mb: Count = setting(256000, "MB that no job exceeds, retries included: memory of the largest node")
    most_minutes: Count = setting(
        2880, "minutes that no job exceeds: limit of the partition. A longer training resumes in its retry"
    )
    small: Need = setting(Need, "a subset, an audit of it, a table, a figure, a choice, the tabular model")
    shard: Need = setting(
        lambda: Need(memory_mb=2000, memory_mb_per_1000=500, minutes=15, minutes_per_1000=60),
        "index, ECG cleaning or heart crop of one shard, with the subjects of the shard",
    )
    cohort: Need = setting(
        lambda: Need(memory_mb=4000, memory_mb_per_1000=200, minutes=30, minutes_per_1000=3),
        "a step that reads or writes all subjects at once",
    )
    pretrain: Need = setting(
        lambda: Need(memory_mb=8000, memory_mb_per_1000=600, minutes=120, minutes_per_1000=60),
        "a pre-training. Memory of each of its processes, its data up to `memory_mb`",
    )
    fit: Need = setting(
        lambda: Need(memory_mb=6000, memory_mb_per_1000=300, minutes=30, minutes_per_1000=12),
        "fine-tuning, probes, trials of a sweep. Its data count up to `memory_mb`, its time for every fit of the job",
    )


class Raw(Section):
    """Where your UK Biobank files are: the only section that config/ukb.yaml must fill.

    All are lists. All but `raw.excluded` stay empty while `simulate_cohort.enabled` is true.
    """

    ecg: Values[Path] = setting(
        (),
        "folders with EID_20205_I_A.xml. Or with the ending of another ECG format (docs/raw_data.md), at any depth, or "
        "text files with one path a line",
    )
    unlabelled: Values[Path] = setting(
        (),
        "folders with further ECGs for pre-trainings alone. Of any format of docs/raw_data.md but HDF5 and any "
        "origin, such as public sets; needs `index_cohort.unpaired_ecgs`; may stay empty",
    )
    cmr: Values[Path] = setting((), "folders with EID_20209_I_A.zip. At any depth, or text files with one path a line")
    tabular: Values[Path] = setting(
        (), "tables with an eid column. Csv, tab-separated, either gzipped, or parquet; joined on eid"
    )
    withdrawn: Values[Path] = setting(
        (), "withdrawal lists, one eid a line. In any form of docs/raw_data.md; may stay empty"
    )
    excluded: Values[Path] = setting(
        (),
        "lists of subjects left out for another reason, one eid a line. Such as the duplicates that `audit_leakage` "
        'names; counted in `flow.csv` as "excluded by list"; may stay empty. Also of a synthetic cohort',
    )
    segmentations: Values[Path] = setting(
        (),
        "folders with segmented short-axis stacks (ukbb_cardiac, NIfTI). Where a subject has one it says where the "
        "heart and which frame end-systole is; may stay empty",
    )
    boxes: Values[Path] = setting(
        (),
        "csv files with heart boxes drawn by hand. Columns eid, row0, column0, height, width in pixels of the frame; "
        "they go before everything else; may stay empty",
    )
