# What a sweep consists of: its trials, rounds and jobs, and what each job is told.

HIDDEN = "<results>/hide_test"
PACK = "<results>/sweep/{encoder}/{target}/rung_{rung}/pack_{pack}"
NOT_SWEPT = ("seeds", "keep_checkpoints")  # a sweep has its own


@lru_cache
def sweep_plan(encoder, target):
    """Return the section, the trials in their order, and the rounds of one sweep."""
    if encoder == "tabular":
        section = {"strategy": "grid", "seed": 0, **config["sweep_tabular"]}
        trials = planned_trials(section, target)
        return section, trials, planned_rungs(section, len(trials), 1)
    section = config["sweep"]
    section = {**section, "grid": grid_of(section, encoder)}
    trials = planned_trials(section, target)
    return section, trials, planned_rungs(section, len(trials), most_epochs(encoder))


def most_epochs(encoder):
    """Return the epochs of a whole fine-tuning, unless its subjects are few."""
    overrides = config["finetune"]["overrides"].get(encoder, {})
    return {**config["finetune"], **overrides}["epochs"]


def packs_of(encoder, target, rung):
    """Return the score files of one round of a sweep."""
    section, _, rungs = sweep_plan(encoder, target)
    count = (
        1
        if encoder == "tabular"
        else pack_count(rungs[rung].trials, section["trials_per_job"])
    )
    return [
        f"<results>/sweep/{encoder}/{target}/rung_{rung}/pack_{pack}.json"
        for pack in range(count)
    ]


def previous_packs(wildcards):
    """Return all score files of the round before this job's, which say what goes on."""
    rung = int(wildcards.rung)
    return packs_of(wildcards.encoder, wildcards.target, rung - 1) if rung else []


def all_packs(wildcards):
    """Return the score files of a whole sweep."""
    _, _, rungs = sweep_plan(wildcards.encoder, wildcards.target)
    return [
        path
        for rung in range(len(rungs))
        for path in packs_of(wildcards.encoder, wildcards.target, rung)
    ]


def sweep_settings(wildcards):
    """Return what a sweep's job needs as JSON: fine-tune settings without those that are swept, and its trials.

    Trials that are added later are at the end of a random order, so the jobs before them have the same settings still.
    """
    section, trials, rungs = sweep_plan(wildcards.encoder, wildcards.target)
    number, places = int(wildcards.rung), pack_slice(
        int(wildcards.pack), section["trials_per_job"]
    )
    epochs = most_epochs(wildcards.encoder)
    whole = json.loads(finetune_settings(wildcards))
    whole = {key: value for key, value in whole.items() if key not in RUNS}
    left_out = {*NOT_SWEPT, *axes_of(section["grid"], wildcards.target)}
    whole["method"] = {
        key: value for key, value in whole["method"].items() if key not in left_out
    }
    whole["sweep"] = {
        "rung": number,
        "pack": int(wildcards.pack),
        # The last round goes to the end of each training, which on few subjects takes more epochs.
        "epochs": reached if (reached := rungs[number].epochs) < epochs else None,
        "seeds": section["seeds"],
        "trials": trials[places] if number == 0 else None,
        "promoted": rungs[number].trials if number else 0,
        "first": places.start,
        "last": places.stop,
    }
    return json.dumps(whole, sort_keys=True)


def sweep_tabular_settings(wildcards):
    """Return the settings of XGBoost's sweep as JSON."""
    section = config["sweep_tabular"]
    axes = axes_of(section["grid"], wildcards.target)
    fixed = {
        key: config["train_tabular"][key] for key in section["grid"] if key not in axes
    }
    return json.dumps(
        {"method": fixed, "grid": axes, "seeds": section["seeds"]}, sort_keys=True
    )


def select_settings(wildcards):
    """Return what the choice depends on beside the scores, as JSON."""
    section, _, _ = sweep_plan(wildcards.encoder, wildcards.target)
    return json.dumps(
        {"strategy": section["strategy"], "runner_ups": config["sweep"]["runner_ups"]}
    )


def hidden_values(wildcards):
    """Return the table of a target's values without the test subjects."""
    return target_values(wildcards).replace("<results>/read_tabular", HIDDEN)


def whole_subset(wildcards):
    """Return a disease's whole balanced subset: settings are chosen there, and hold for the smaller ones too."""
    return (
        []
        if is_regression(wildcards.target)
        else f"<results>/balance_subset/{wildcards.target}_100.csv"
    )


def sweep_fits():
    """Return how many fine-tunings, each with all its seeds, a job of a sweep is worth."""
    section = config["sweep"]
    trainings = section["trials_per_job"] * len(section["seeds"])
    return trainings / len(config["finetune"]["seeds"])
