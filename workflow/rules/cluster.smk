# What a job asks a cluster for. A run on one machine takes no notice, and a change here reruns nothing.

CLUSTER = config["cluster"]


@lru_cache
def subjects_expected(unpaired=False):
    """Return how many subjects have raw files, at most; a job on a node, which was given its share, counts none.

    unpaired: with those who have an ECG alone.
    """
    if SIMULATED:
        simulated = config["simulate_cohort"]
        return simulated["subjects"] + unpaired * simulated["ecg_only"]
    if not workflow.is_main_process:
        return 0
    ecg, cmr = (sum(map(len, raw_files(kind).values())) for kind in ("ecg", "cmr"))
    if WITH_UNPAIRED:
        return ecg if unpaired else min(ecg, cmr)
    return (ecg + cmr) / (1 + WITH_CMR)


def needs(kind, parts=1, fits=1, unpaired=False, **memory):
    """Return memory and time of a job that takes one of `parts` shares of the subjects and does `fits` fits."""

    def mem_mb(wildcards, attempt):
        subjects = subjects_expected(unpaired) / parts
        return job_memory_mb(CLUSTER, kind, subjects, attempt, **memory)

    def runtime(wildcards, attempt):
        subjects = subjects_expected(unpaired) / parts
        return job_minutes(CLUSTER, kind, subjects, attempt, fits)

    return {"mem_mb": mem_mb, "runtime": runtime}


def training_needs(kind, gpus, fits=1, processes=1, unpaired=False):
    """Return what a training's job needs; data_mb is how much data it holds, however much memory it was given."""
    held = config["memory_mb"]
    # One task on one node starts all processes of a job; SLURM itself would start one for each GPU.
    placed = {"nodes": 1, "tasks_per_gpu": 0} if gpus else {}
    return {
        **needs(kind, fits=fits, unpaired=unpaired, held_mb=held, processes=processes),
        "processes": processes,
        "data_mb": held,
        "gpu": gpus,
        **placed,
    }
