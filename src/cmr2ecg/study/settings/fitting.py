"""Settings of what is fitted on a target: fine-tuning, linear probes, and the tabular model."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from cmr2ecg.study.settings.base import (
    Count,
    Mistake,
    Name,
    Partial,
    Percent,
    Positive,
    Section,
    Share,
    Some,
    Targets,
    UpToOne,
    Values,
    setting,
)
from cmr2ecg.study.settings.training import (
    Betas,
    CmrAugment,
    Decay,
    DropPath,
    EcgAugment,
    Epochs,
    LayerDecay,
    Rate,
    Reference,
    Seeds,
    Smoothing,
    Warmup,
)

Encoder = Literal[
    "supervised", "supervised_cnn", "simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl_without_mdm", "mmcl",
    "cmr_supervised", "cmr_mmcl_without_mdm", "cmr_mmcl",
]  # fmt: skip
Probed = Literal[
    "random", "simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl_without_mdm", "mmcl", "cmr_random",
    "cmr_mmcl_without_mdm", "cmr_mmcl", "ecg_beats", "rr_intervals", "cmr_pixels", "latents",
]  # fmt: skip
FINETUNED: tuple[Encoder, ...] = (
    "supervised", "simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl_without_mdm", "mmcl", "cmr_supervised",
    "cmr_mmcl_without_mdm", "cmr_mmcl",
)  # fmt: skip
PROBED: tuple[Probed, ...] = (
    "random", "simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl_without_mdm", "mmcl", "cmr_random",
    "cmr_mmcl_without_mdm", "cmr_mmcl",
)  # fmt: skip
TARGETS = ("cad", "af", "dm", "lv", "rv", "wt", "ecc", "err")
DISEASES = ("cad", "af", "dm")
SEEDS = (0, 101, 202, 303, 404)
Depth = Annotated[int, Field(ge=1, le=64)]


def _encoder_or_ablation(name: str) -> str:
    if name not in get_args(Encoder) and not name.startswith("mmcl_"):
        raise Mistake("literal_error", expected=", ".join(get_args(Encoder)))
    return name


LimitName = Annotated[str, AfterValidator(_encoder_or_ablation)]


class Limits(Partial):
    """What an encoder is fine-tuned on, of finetune.targets and balance_subset.fractions."""

    targets: Targets = setting(TARGETS, "as finetune.targets")
    fractions: Some[Percent] = setting((100, 10, 1), "as balance_subset.fractions")


class Fit(Section):
    """What may differ from one encoder to another."""

    epochs: Epochs = setting(400, "most passes over the training set, unless minimum_steps takes more")
    minimum_steps: Count = setting(
        300,
        "fewer epochs than these take are raised, and patience waits for them; 1 % has 3 an epoch. The authors' "
        "patience alone (25 epochs) could stop there at 78 steps, in the warm-up",
    )
    validation_interval: Count = setting(
        1,
        "fewest steps between two validations; 1: after every epoch, as the authors. An epoch with fewer is not "
        "validated, unless it is the last or a training would have fewer than eight validations. On 1 % of the "
        "positives, three steps an epoch, looking at 6,007 validation subjects after each is most of the work; 15 "
        "looks at every fifth. Patience still counts epochs. Sweeps validate after every epoch",
    )
    warmup_fraction: Warmup = 0.05
    betas: Betas = (0.9, 0.999)
    patience: Count = setting(25, "authors: epochs without a better validation AUROC or r before training stops")
    patience_tolerance: Share = setting(
        0.0, "scores at most this far below the best also start the count anew; authors: 0.0025, a quarter of a point"
    )
    pooling: Literal["clip", "authors"] = setting(
        "clip",
        "attention pooling of reference [28]; or authors, their plain multi-head attention. `clip`: one query from "
        "the mean token over all tokens with learned positions; `authors`: without positions and with a norm that is "
        "applied twice",
    )
    batch_size: Count = setting(
        16,
        "this and the next five lie in the paper's grid; best values seen in the authors' scripts. ECGs a step at "
        "most: an epoch's batches are of equal size; grid 8, 16, 32",
    )
    layer_decay: LayerDecay = setting(
        0.75, "factor of the learning rate from one layer to the one below; grid 0.5, 0.75"
    )
    drop_path: DropPath = setting(0.2, "probability that a block is skipped; grid 0, 0.1, 0.2")
    label_smoothing: Smoothing = setting(0.2, "share of the label spread over both classes; grid 0, 0.1, 0.2")
    weight_decay: Decay = setting(0.2, "of AdamW; grid 0, 0.1, 0.2")
    base_lr: Rate = setting(3e-6, "base learning rate, scaled as in pre-training; grid 1e-6, 3e-6, 1e-5, 3e-5")
    lr_reference_batch: Reference = setting(4, "batch size for which base_lr is stated; authors")
    random_crop: bool = setting(
        True,
        "authors; §IV-C.2 can also be read as: only during pre-training (false). true: training crops start at "
        "random, so that the whole record is used; false: at the first sample",
    )
    augment: EcgAugment = setting(lambda: EcgAugment(surrogate=0.075, noise=0.2))
    cmr_augment: CmrAugment = setting(CmrAugment, "of the encoders that read images")


class FitChanges(Partial, Fit):
    """Settings of this encoder in place of those of finetune."""


def _limits() -> dict[str, Limits]:
    return {
        "cmr_supervised": Limits(fractions=(100,)),
        "cmr_mmcl_without_mdm": Limits(targets=DISEASES, fractions=(100,)),
        "cmr_mmcl": Limits(targets=DISEASES, fractions=(100,)),
    }


def _overrides() -> dict[Encoder, FitChanges]:
    return {
        "supervised": FitChanges(base_lr=3e-5, layer_decay=1.0),
        "supervised_cnn": FitChanges(base_lr=2.5e-4, weight_decay=0.05, layer_decay=1.0, drop_path=0.0),
        "cmr_supervised": FitChanges(base_lr=7.5e-5, layer_decay=1.0),
        "cmr_mmcl_without_mdm": FitChanges(base_lr=2.5e-5),
        "cmr_mmcl": FitChanges(base_lr=2.5e-5),
    }


REASONS = {
    "supervised": "Random weights: no layer is worth keeping, so all have one rate; ten times that of fine-tuning "
    "(authors)",
    "supervised_cnn": "Not in the paper; add supervised_cnn to encoders to have it in tables II to IV. Rate 1e-3 at "
    "batch 16: what xresnet1d is trained with on PTB-XL, 1e-2 at 128 (Strodthoff et al. 2021). Its layers all learn "
    "at one rate, whatever layer_decay; drop_path is of the last residual branch. Other reasons and what was tried: "
    "docs/finetuning.md",
    "cmr_supervised": "A ResNet50 from random weights stays at chance at the ViTs' 1.2e-5; AdamW at 3e-4 (7.5e-5 x 16 "
    "/ 4) is usual for it",
    "cmr_mmcl_without_mdm": "Pre-trained ResNets stand a higher rate than ViTs: 1e-4 after scaling, in the range of "
    "the same lab's other code, 1e-4 to 1e-3",
}


class FinetunePlan(Section):
    """Which encoders are fine-tuned on what, and in which jobs."""

    encoders: Some[Encoder] = setting(
        FINETUNED,
        "those named cmr_ read images. Also `supervised_cnn`, which the paper lacks: `models.ecg_cnn` from random "
        "weights, a further row of tables II to IV where it is named",
    )
    targets: Targets = setting(
        TARGETS,
        "at every balance_subset.fractions, groups at phenotype_fractions. Diseases of read_tabular.diseases, and "
        "groups of phenotypes",
    )
    limits: dict[LimitName, Limits] = setting(
        _limits,
        "encoders that the paper shows on fewer of these (tables I, IV, V). An encoder's name, an ablation's as well, "
        "to `targets` or `fractions`",
    )
    job: Literal["fit", "encoder"] = setting(
        "fit",
        "a job an encoder, target and fraction; or encoder, a job for all fits of an encoder. That starts and reads "
        "the data once (the demo); results are the same",
    )
    seeds: Seeds = setting(SEEDS, "authors. One training each; tables give mean and standard deviation")


class Finetune(Fit, FinetunePlan):
    """Fine-tuning, §IV-C.2.

    The paper searches a grid for each encoder and target; these are the values seen most in the authors' scripts.
    """

    overrides: dict[Encoder, FitChanges] = setting(
        _overrides, "encoder -> differing settings; the above suit a pre-trained ViT", REASONS
    )
    evaluation_crops: Count = setting(
        1, "1: the first samples, as the authors; n: predictions are means over n evenly spaced crops"
    )
    keep_checkpoints: Literal["best", "all", "none"] = setting(
        "best",
        "weights of the best seed, of all, or none. In `seeds/`; the best is by validation, also as model.safetensors",
    )


class Probe(Section):
    """Controls the paper lacks: linear models on frozen embeddings.

    Logistic or ridge regression on standardised embeddings. `random` is an ECG encoder that was never trained,
    `cmr_random` an image encoder.
    """

    encoders: Values[Probed] = setting(
        PROBED,
        "encoders that are probed. Also `ecg_beats` (the mean beat of each lead and the rhythm), `rr_intervals` (how "
        "regularly the heart beats), `cmr_pixels` (the image on a grid of 24 x 24) and, of a synthetic cohort, "
        "`latents` (what was planted): linear models without any encoder",
    )
    targets: Targets = setting(TARGETS, "as finetune.targets")
    random_seeds: Seeds = setting(
        SEEDS,
        "weights of the encoders that were never trained: random, cmr_random. A pre-trained encoder's probe has no "
        "chance in it and is fitted once",
    )
    penalties: Some[Positive] = setting(
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
        "tried weights of the squared coefficients beside the mean loss; the best on validation is taken. By AUROC or "
        "r",
    )


class TrainTabular(Section):
    """§IV-D.1: XGBoost on age, sex, weight, height.

    Phenotypes are a control the paper lacks: one model a phenotype, on the training subjects that have it.
    """

    targets: Values[Name] = setting(
        TARGETS, "§IV-D.1: cad, af, dm; the phenotypes are a control of ours. [] where age and sex are not known"
    )
    seeds: Seeds = setting(SEEDS, "one training each")
    rounds: Count = setting(100, "boosting rounds; this and the next three are used where sweep_tabular chose nothing")
    max_depth: Depth = setting(3, "deepest tree")
    learning_rate: UpToOne = setting(0.1, "shrinkage of each round")
    subsample: UpToOne = setting(0.75, "share of subjects drawn for each tree")
