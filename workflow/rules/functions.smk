# What rules tell their jobs: functions of the wildcards, a step's code, and what jobs need of a cluster.


@lru_cache
def sweep_of(encoder, target):
    """Return one sweep; a whole grid of it takes long to order."""
    return sweep_jobs.sweep_of(SETTINGS, encoder, target)


def code(step, *also, rule=None):
    """Return a parameter that changes with what a step's code means, so that such an edit reruns the step.

    also: further modules, named with wildcards. rule: its name if it is not the step's. A step named in `frozen` keeps
    the code that its results were made with.
    """

    def parameter(wildcards):
        frozen = step in SETTINGS.frozen and recorded_code(rule or step, wildcards)
        names = (name.format(**wildcards) for name in also)
        return frozen or code_of(f"cmr2ecg.steps.{step}", *names)

    return parameter


@lru_cache
def code_of(*modules):
    """Return the digest of what some modules mean; only rules that have jobs ask for it."""
    return CODE + fingerprint(*modules)[:16]


def recorded_code(rule, wildcards):
    """Return the digest that Snakemake noted when the job's first output was made, or None."""
    output = workflow.get_rule(rule).output[0].apply_wildcards(dict(wildcards.items()))
    recorded = map(ast.literal_eval, workflow.persistence.params(output) or [])
    return next((p for p in recorded if str(p).startswith(CODE)), None)


def settings(section):
    """Return one section as JSON, so that a step reruns when its own settings change and only then."""
    return sections.as_json(sections.without_plans(getattr(SETTINGS, section)))


def optional(name):
    """Return a parameter that names an input's or output's files on the command line as --NAME, if the job has it."""

    def argument(wildcards, input, output):
        found = input.get(name) or output.get(name) or []
        paths = [found] if isinstance(found, str) else found
        return " ".join([f"--{name}", *map(shlex.quote, paths)]) if paths else ""

    return argument


def named_files(inputs):
    """Return a parameter that lists a job's files as `name=path`, as --inputs takes them."""

    def argument(wildcards, input):
        names = inputs(wildcards) if callable(inputs) else inputs
        return " ".join(
            shlex.quote(f"{name}={path}")
            for name in names
            for path in ([input[name]] if isinstance(input[name], str) else input[name])
        )

    return argument


# What a job asks a cluster for. A run on one machine takes no notice, and a change here reruns nothing.
@lru_cache
def subjects_expected(unpaired):
    return RAW_FILES.subjects_expected(unpaired)


def needs(kind, parts=1, fits=1, unpaired=False, **memory):
    """Return memory and time of a job that takes one of `parts` shares of the subjects and does `fits` fits."""

    def mem_mb(wildcards, attempt):
        subjects = subjects_expected(unpaired) / parts
        return job_memory_mb(SETTINGS.cluster, kind, subjects, attempt, **memory)

    def runtime(wildcards, attempt):
        subjects = subjects_expected(unpaired) / parts
        return job_minutes(SETTINGS.cluster, kind, subjects, attempt, fits)

    return {"mem_mb": mem_mb, "runtime": runtime}


def training_needs(kind, gpus=GPU, fits=1, processes=1, unpaired=False):
    """Return what a training's job needs; data_mb is how much data it holds, however much memory it was given."""
    held = SETTINGS.memory_mb
    # One task on one node starts all processes of a job; SLURM itself would start one for each GPU.
    placed = {"nodes": 1, "tasks_per_gpu": 0} if gpus else {}
    return {
        **needs(kind, fits=fits, unpaired=unpaired, held_mb=held, processes=processes),
        "processes": processes,
        "data_mb": held,
        "gpu": gpus,
        **placed,
    }


def pretraining_needs(unpaired=False):
    """Return what a pre-training's job needs."""
    count = SETTINGS.processes.pretrain
    return training_needs("pretrain", gpus=count * GPU, processes=count, unpaired=unpaired)


def named_fits(job):
    return lambda wildcards: job.named(dict(wildcards))


def subsets(job):
    return lambda wildcards: fit_jobs.subset_files(job.named(dict(wildcards)))


def choices(job):
    return lambda wildcards: sweep_jobs.choices(SETTINGS, job.encoder, job.named(dict(wildcards)))


def folder_of(step, job):
    return lambda wildcards: f"{RESULTS}/{step}/{job.encoder}"


def small_fits(job):
    return job.group and (lambda wildcards: job.group if int(wildcards.fraction) < 100 else None)


def sweep(wildcards):
    return sweep_of(wildcards.encoder, wildcards.target)


def figure(wildcards):
    return figure_jobs.figure(SETTINGS, wildcards.figure, SHARDS, RAW_FILES.options_file)


def named_option(wildcards):
    """Return the option that names the file of the config's subjects, for the figure that shows them."""
    shown = NAMED_EIDS and figure_jobs.shows_named_subjects(wildcards.figure)
    return f"--named {shlex.quote(NAMED)}" if shown else ""


def released(encoder, name):
    return fit_files(f"finetune/{encoder}", fit_jobs.released_fits(SETTINGS, encoder), name)
