# What a job asks a cluster for. A run on one machine takes no notice, and a change here reruns nothing.

CLUSTER = config["cluster"]


@lru_cache
def subjects_expected():
    """Return how many subjects have raw files, at most; a job on a node, which was given its share, counts none."""
    if SIMULATED:
        return config["simulate_cohort"]["subjects"]
    if not workflow.is_main_process:
        return 0
    files = [*raw_files("ecg").values(), *raw_files("cmr").values()]
    return sum(map(len, files)) / (1 + WITH_CMR)


def needs(kind, parts=1, fits=1, **memory):
    """Return memory and time of a job that takes one of `parts` shares of the subjects and does `fits` fits."""

    def mem_mb(wildcards, attempt):
        return job_memory_mb(
            CLUSTER, kind, subjects_expected() / parts, attempt, **memory
        )

    def runtime(wildcards, attempt):
        return job_minutes(CLUSTER, kind, subjects_expected() / parts, attempt, fits)

    return {"mem_mb": mem_mb, "runtime": runtime}


def training_needs(kind, gpus, fits=1, processes=1):
    """Return what a training's job needs; data_mb is how much data it holds, however much memory it was given."""
    held = config["memory_mb"]
    # One task on one node starts all processes of a job; SLURM itself would start one for each GPU.
    placed = {"nodes": 1, "tasks_per_gpu": 0} if gpus else {}
    return {
        **needs(kind, fits=fits, held_mb=held, processes=processes),
        "processes": processes,
        "data_mb": held,
        "gpu": gpus,
        **placed,
    }
