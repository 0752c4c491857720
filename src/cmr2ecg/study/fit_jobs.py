"""Which encoder is fitted to what, which fits share a job, and what each job is told.

A fit is named TARGET/FRACTION.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cmr2ecg.study.ablations import ablations_of, own_mae
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.sections import as_json, runs_of, training_settings, without_plans
from cmr2ecg.study.settings.fitting import Finetune, FitChanges
from cmr2ecg.study.settings.study import Settings
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


def finetune_jobs(settings: Settings, gpu: bool) -> list[FitJob]:
    """Return the fine-tunings of every encoder that has any.

    On GPUs there is no group: all its fits would start on the first GPU; finetune.job: encoder packs them there.
    """
    alone = settings.finetune.job == "fit"
    jobs = []
    for encoder in settings.finetune.encoders:
        fits = encoder_fits(settings, encoder)
        in_job = ONE_FIT if alone else fits
        group = f"small_fits_{encoder}" if alone and not gpu else None
        log = f"<results>/logs/finetune/{'/'.join([encoder, *ONE_FIT * alone])}.log"
        if fits:
            released = encoder in settings.release.encoders
            jobs.append(FitJob(encoder, fits, in_job, log, finetune_settings(settings, encoder), group, released))
    return jobs


def probe_jobs(settings: Settings) -> list[FitJob]:
    """Return the probes of every encoder, all in one job."""
    fits = fits_of(settings, settings.probe.targets)
    return [
        FitJob(encoder, fits, fits, f"<results>/logs/probe/{encoder}.log", probe_settings(settings, encoder))
        for encoder in settings.probe.encoders
    ]


def tabular_job(settings: Settings) -> FitJob:
    """Return the fits of the tabular baseline, all in one job: starting one takes longer than a fit."""
    fits = fits_of(settings, settings.train_tabular.targets)
    told = as_json({"method": without_plans(settings.train_tabular), **runs_of(settings)})
    return FitJob("tabular", fits, fits, "<results>/logs/train_tabular.log", told)


def fits_of(settings: Settings, targets: Iterable[str]) -> tuple[str, ...]:
    """Return targets at the fractions of diseases, or of groups of phenotypes."""
    return tuple(
        f"{target}/{fraction}" for target in targets for fraction in fractions_of(target, settings.balance_subset)
    )


def encoder_fits(settings: Settings, encoder: str) -> tuple[str, ...]:
    """Return the fine-tunings of an encoder; finetune.limits leaves some out."""
    limits = settings.finetune.limits
    own = limits.get(encoder, limits.get(like(settings, encoder)))
    given = own.model_dump() if own else {}
    return tuple(
        fit
        for fit in fits_of(settings, settings.finetune.targets)
        if target_of(fit) in given.get("targets", [target_of(fit)])
        and fraction_of(fit) in given.get("fractions", [fraction_of(fit)])
    )


def released_fits(settings: Settings, encoder: str) -> list[str]:
    """Return the fits that an encoder's release is made of: those on whole training sets."""
    return [fit for fit in encoder_fits(settings, encoder) if fraction_of(fit) == WHOLE]


def like(settings: Settings, encoder: str) -> str:
    """Return the encoder whose settings of fitting an encoder takes: an ablation takes those of what it changes."""
    ablations = ablations_of(settings)
    if encoder in ablations:
        return "mmcl"
    return "mae" if encoder in map(own_mae, ablations) else encoder


def finetuning_of(settings: Settings, encoder: str) -> Finetune:
    """Return the settings of fine-tuning one encoder, its overrides applied."""
    overrides: Mapping[str, FitChanges] = {str(name): changes for name, changes in settings.finetune.overrides.items()}
    return settings.finetune.changed(overrides.get(like(settings, encoder)))


def finetune_settings(settings: Settings, encoder: str) -> str:
    """Return the settings of fine-tuning one encoder as JSON."""
    method = without_plans(finetuning_of(settings, encoder))
    return as_json({**training_settings(settings, method, network_of(encoder)), **runs_of(settings)})


def probe_settings(settings: Settings, encoder: str) -> str:
    """Return the settings of probing one encoder as JSON."""
    told = training_settings(settings, without_plans(settings.probe), network_of(encoder))
    if encoder in ("ecg_beats", "rr_intervals"):
        told["sampling_rate_hz"] = settings.clean_ecg.sampling_rate_hz
    return as_json({**told, **runs_of(settings)})


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


def all_subsets(settings: Settings, target: str) -> list[str]:
    """Return every subset of a target."""
    return subset_files(fits_of(settings, [target]))


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
