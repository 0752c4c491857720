"""Settings of the searches for a fit's settings, scored on the validation split."""

from typing import Annotated, Literal

from pydantic import Field

from cmr2ecg.study.settings.base import Count, Name, Partial, Section, Seed, Targets, UpToOne, Values, setting
from cmr2ecg.study.settings.fitting import TARGETS, Depth, Encoder
from cmr2ecg.study.settings.training import Decay, DropPath, LayerDecay, Rate, Seeds, Smoothing

Eta = Annotated[int, Field(ge=2, le=100)]
RunnerUps = Annotated[int, Field(ge=0, le=1000)]


class Axes(Section):
    """§IV-C.2: 3 x 2 x 3 x 3 x 3 x 4 = 648; an empty list keeps finetune's value."""

    batch_size: Values[Count] = setting((8, 16, 32), "values tried of finetune.batch_size")
    layer_decay: Values[LayerDecay] = setting((0.5, 0.75), "values tried of finetune.layer_decay")
    drop_path: Values[DropPath] = setting((0.0, 0.1, 0.2), "values tried of finetune.drop_path")
    label_smoothing: Values[Smoothing] = setting(
        (0.0, 0.1, 0.2), "values tried of finetune.label_smoothing; diseases only, so 216 trials for phenotypes"
    )
    weight_decay: Values[Decay] = setting((0.0, 0.1, 0.2), "values tried of finetune.weight_decay")
    base_lr: Values[Rate] = setting((1e-6, 3e-6, 1e-5, 3e-5), "values tried of finetune.base_lr")


class AxesChanges(Partial, Axes):
    """Axes of this encoder in place of those of grid."""


def _overrides() -> dict[Encoder, AxesChanges]:
    return {
        "supervised": AxesChanges(layer_decay=(0.75, 1.0), base_lr=(1e-5, 3e-5, 1e-4, 3e-4)),
        "cmr_supervised": AxesChanges(layer_decay=(0.75, 1.0), base_lr=(2.5e-5, 7.5e-5, 2.5e-4, 7.5e-4)),
        "cmr_mmcl_without_mdm": AxesChanges(base_lr=(3e-6, 1e-5, 3e-5, 1e-4)),
        "cmr_mmcl": AxesChanges(base_lr=(3e-6, 1e-5, 3e-5, 1e-4)),
        "supervised_cnn": AxesChanges(base_lr=(3e-5, 1e-4, 3e-4, 1e-3)),
    }


REASONS = {
    "supervised_cnn": "Not in the paper. Random weights need higher rates; layer_decay changes nothing in it and is "
    "never swept, so 324 trials remain for a disease and 108 for phenotypes",
}


class Sweep(Section):
    """§IV-C.2: the paper's grid search; off unless encoders are named.

    Over fine-tune settings, for each encoder and target. The whole grid is 648 trainings for one encoder and disease;
    `docs/sweeps.md` gives the cost and how to run it. Where a sweep is configured its choice replaces the settings of
    `finetune`, overrides included, at every fraction.
    """

    encoders: Values[Encoder] = setting((), "encoders with a sweep of their own; the paper: all of finetune.encoders")
    targets: Targets = setting(
        TARGETS, "swept for these encoders, each among finetune.targets; the others take finetune's settings"
    )
    strategy: Literal["grid", "random", "halving"] = setting(
        "grid",
        "§IV-C.2; or random, or halving (successive halving over epochs). `grid`: every combination; `random`: "
        "`trials` of them; `halving`: after each round only the best go on",
    )
    trials: Count | None = setting(
        None,
        "random, halving: this many of the grid, drawn without replacement; null: all of it. A larger number adds to a "
        "smaller one",
    )
    seed: Seed = setting(0, "of that drawing")
    seeds: Seeds = setting(
        (0,),
        "each trial is trained with these and judged by their mean; the paper does not say. Of the best validation "
        "scores",
    )
    eta: Eta = setting(3, "halving: the best 1/eta go on, to eta times as many epochs")
    minimum_epochs: Count = setting(15, "halving: epochs of the first round")
    trials_per_job: Count = setting(
        8, "trainings share a job's start-up, one after the other; docs/sweeps.md says how many are enough"
    )
    runner_ups: RunnerUps = setting(5, "next best trials named beside the choice, in `select/`")
    grid: Axes = setting(Axes)
    overrides: dict[Encoder, AxesChanges] = setting(
        _overrides,
        "encoder -> axes that differ, as many trials; made for what the above cannot reach. The grid was made for "
        "pre-trained ViTs, and a model that cannot reach its best rate was not tuned",
        REASONS,
    )


class TabularAxes(Section):
    """5 x 6 x 3 x 3 = 270 trials; an empty list keeps train_tabular's value."""

    rounds: Values[Count] = setting(
        (50, 75, 100, 125, 150), "values tried of train_tabular.rounds, from the same trees"
    )
    max_depth: Values[Depth] = setting((3, 4, 5, 6, 7, 8), "values tried of train_tabular.max_depth")
    learning_rate: Values[UpToOne] = setting((0.1, 0.2, 0.3), "values tried of train_tabular.learning_rate")
    subsample: Values[UpToOne] = setting((0.5, 0.75, 1.0), "values tried of train_tabular.subsample")


class SweepTabular(Section):
    """§IV-D.1: XGBoost's grid search, 270 trials, seconds each target.

    One job a target, so it is on. The paper lists 5 numbers of rounds, 6 depths, 3 rates and 3 subsample ratios. A
    fourth ratio, such as 0.25, is one more value in an overlay and makes them 360.
    """

    targets: Values[Name] = setting(
        TARGETS, "each among train_tabular.targets; the others take train_tabular's settings. None switches it off"
    )
    seeds: Seeds = setting((0,), "each trial is fitted with these and judged by their mean")
    grid: TabularAxes = setting(TabularAxes)
