"""Which encoder is fitted to what, which fits share a job, and what each job is told.

A fit is named TARGET/FRACTION.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cmr2ecg.study.ablations import ablations_of, own_mae
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.sections import Config, as_json, runs_of, training_settings, without_plans
from cmr2ecg.study.targets import WHOLE, fractions_of, is_regression, on_subset

ONE_FIT = ("{target}/{fraction}",)  # of a job: named by its wildcards


@dataclass(frozen=True)
class FitJob:
    """The jobs that fit one encoder.

    fits: all of them. in_job: those of one job, which are all, or the one that its wildcards name. log: of a job.
    group: the name under which a job on a small subset goes to a cluster with others, if any. settings: as JSON.
    keep_every_seed: whether a release needs the weights of every seed.
    """

    encoder: str
    fits: tuple[str, ...]
    in_job: tuple[str, ...]
    log: str
    settings: str
    group: str | None = None
    keep_every_seed: bool = False

    def named(self, wildcards: Mapping[str, str]) -> list[str]:
        """Return the fits of the job that these wildcards name."""
        return [fit.format(**wildcards) for fit in self.in_job]


def finetune_jobs(config: Config, gpu: bool) -> list[FitJob]:
    """Return the fine-tunings of every encoder that has any.

    On GPUs there is no group: all its fits would start on the first GPU; finetune.job: encoder packs them there.
    """
    section, released = config["finetune"], config["release"]["encoders"]
    jobs = []
    for encoder in section["encoders"]:
        fits = encoder_fits(config, encoder)
        alone = section["job"] == "fit"
        in_job = ONE_FIT if alone else fits
        group = f"small_fits_{encoder}" if alone and not gpu else None
        log = f"<results>/logs/finetune/{'/'.join([encoder, *ONE_FIT * alone])}.log"
        settings = fit_settings(config, "finetune", encoder)
        if fits:
            jobs.append(FitJob(encoder, fits, in_job, log, settings, group, encoder in released))
    return jobs


def probe_jobs(config: Config) -> list[FitJob]:
    """Return the probes of every encoder, all in one job."""
    fits = fits_of(config, "probe")
    return [
        FitJob(encoder, fits, fits, f"<results>/logs/probe/{encoder}.log", fit_settings(config, "probe", encoder))
        for encoder in config["probe"]["encoders"]
    ]


def fits_of(config: Config, section: str) -> tuple[str, ...]:
    """Return a section's targets at the fractions of diseases, or of groups of phenotypes."""
    return tuple(
        f"{target}/{fraction}"
        for target in config[section]["targets"]
        for fraction in fractions_of(target, config["balance_subset"])
    )


def encoder_fits(config: Config, encoder: str) -> tuple[str, ...]:
    """Return the fine-tunings of an encoder; finetune.limits leaves some out."""
    limits = config["finetune"]["limits"]
    limits = limits.get(encoder, limits.get(like(config, encoder), {}))
    return tuple(
        fit
        for fit in fits_of(config, "finetune")
        if target_of(fit) in limits.get("targets", [target_of(fit)])
        and fraction_of(fit) in limits.get("fractions", [fraction_of(fit)])
    )


def released_fits(config: Config, encoder: str) -> list[str]:
    """Return the fits that an encoder's release is made of: those on whole training sets."""
    return [fit for fit in encoder_fits(config, encoder) if fraction_of(fit) == WHOLE]


def like(config: Config, encoder: str) -> str:
    """Return the encoder whose settings of fitting an encoder takes: an ablation takes those of what it changes."""
    ablations = ablations_of(config)
    if encoder in ablations:
        return "mmcl"
    return "mae" if encoder in map(own_mae, ablations) else encoder


def fit_settings(config: Config, section: str, encoder: str) -> str:
    """Return the settings of a section for one encoder, its overrides applied."""
    method = without_plans(config[section])
    overrides = config[section].get("overrides", {}).get(like(config, encoder), {})
    settings = training_settings(config, {**method, **overrides}, network_of(encoder))
    if encoder == "ecg_beats":
        settings["sampling_rate_hz"] = config["clean_ecg"]["sampling_rate_hz"]
    return as_json({**settings, **runs_of(config)})


def tabular_settings(config: Config) -> str:
    """Return the settings of the tabular baseline."""
    return as_json({"method": without_plans(config["train_tabular"]), **runs_of(config)})


def values_file(target: str) -> str:
    """Return the table that holds a target's values: labels of a disease, phenotypes of a group."""
    return f"<results>/read_tabular/{'phenotypes' if is_regression(target) else 'labels'}.parquet"


def subset_files(fits: Iterable[str]) -> list[str]:
    """Return the subsets that fits are trained on; a whole group of phenotypes has none."""
    return [
        f"<results>/balance_subset/{fit.replace('/', '_')}.csv"
        for fit in fits
        if on_subset(target_of(fit), fraction_of(fit))
    ]


def all_subsets(config: Config, target: str) -> list[str]:
    """Return every subset of a target."""
    return subset_files(f"{target}/{fraction}" for fraction in fractions_of(target, config["balance_subset"]))


def subset_targets(fits: Iterable[str]) -> list[str]:
    """Return the targets, sorted, that some fits are trained for on subsets; fits may be folders."""
    return sorted({target_of(fit) for fit in fits if on_subset(target_of(fit), fraction_of(fit))})


def target_of(fit: str) -> str:
    """Return the target of a fit, or of its folder."""
    return fit.split("/")[-2]


def fraction_of(fit: str) -> int:
    """Return the percent of the training subjects that a fit, or the fit of a folder, learns from."""
    return int(fit.split("/")[-1])


def folders(step: str, jobs: Sequence[FitJob]) -> list[str]:
    """Return the folders of all fits of some jobs."""
    return [f"<results>/{step}/{job.encoder}/{fit}" for job in jobs for fit in job.fits]
