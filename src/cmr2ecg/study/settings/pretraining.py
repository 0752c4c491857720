"""Settings of the pre-trainings, and of ablations of one."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from cmr2ecg.study.settings.base import (
    DISTINCT,
    LIST,
    Inside,
    Mistake,
    NotNegative,
    Partial,
    Section,
    Seed,
    Share,
    Some,
    Values,
    setting,
)
from cmr2ecg.study.settings.networks import PositionEmbedding, Projector
from cmr2ecg.study.settings.training import (
    Batch,
    Betas,
    CmrAugment,
    Decay,
    DropPath,
    EcgAugment,
    Epochs,
    Lead,
    Optimizer,
    PairBatch,
    Rate,
    Reference,
    Select,
    Temperature,
    TrainingSeed,
    ViewAugment,
    Warmup,
)

Leads = Annotated[tuple[Lead, ...], Field(min_length=2), LIST, *DISTINCT]
SecondView = Annotated[
    Share, Field(description="share of second views augmented beyond the crop; first views always are")
]


class MaeCore(Section):
    """What an ablation may change of masked data modelling."""

    seed: TrainingSeed = 0
    epochs: Epochs = 400
    mask_ratio: Inside = setting(0.8, "share of tokens removed from the encoder's input")
    loss: Literal["all_patches", "masked_patches"] = setting(
        "all_patches", "squared error; §III-A eq. 2a reconstructs the whole x; or masked_patches only"
    )
    ncc_weight: Share = setting(0.0, "of 1 - normalised cross-correlation in the loss; authors: 0.1")
    unpaired: bool = setting(
        True, "also on ECGs without an image or a label, where index_cohort.unpaired_ecgs keeps them"
    )


class MaeChanges(Partial, MaeCore):
    """Settings in place of those of pretrain.mae, for a masked autoencoder of its own to start from."""


class Mae(MaeCore):
    """§IV-C.2, masked data modelling (MDM) of ECGs."""

    batch_size: Batch = 128
    base_lr: Rate = 1e-5
    lr_reference_batch: Reference = setting(
        4, "lr = base_lr x batch_size / this; authors (the paper gives base_lr only)"
    )
    warmup_fraction: Warmup = 0.1
    weight_decay: Decay = 0.15
    betas: Betas = setting((0.9, 0.95), "decay rates of the running means; authors")
    optimizer: Optimizer = "adamw"
    select: Select = setting(
        "last", "weights that are kept: authors, of the last epoch; or of the best (lowest) validation loss"
    )
    position_embedding: PositionEmbedding = setting(
        PositionEmbedding, "of the MAE's encoder, in place of models.ecg_encoder's"
    )
    augment: EcgAugment = setting(EcgAugment)


class Baseline(Section):
    """What the unimodal contrastive baselines have in common."""

    seed: TrainingSeed = 2022
    epochs: Epochs = 300
    batch_size: PairBatch = setting(256, "ECGs a step")
    base_lr: Rate = 3e-3
    lr_reference_batch: Reference = 256
    warmup_fraction: Warmup = 0.1
    weight_decay: Decay = 1e-4
    betas: Betas = (0.9, 0.999)
    optimizer: Optimizer = "adamw"
    drop_path: DropPath = 0.1
    select: Select = "best"
    projector: Projector = setting(lambda: Projector(hidden=384, out=128), "onto the space of the loss")
    second_view_probability: SecondView = 0.95
    augment: ViewAugment = setting(ViewAugment)


class SimClr(Baseline):
    """SimCLR, Chen et al. 2020."""

    temperature: Temperature = 0.1


class Byol(Baseline):
    """BYOL, Grill et al. 2020."""

    base_lr: Rate = 1e-5
    projector: Projector = setting(lambda: Projector(hidden=4096, out=256), "and of the predictor")
    tau: Share = setting(0.9996, "share of itself the target network keeps in a step, at the start; it rises to 1")


class BarlowTwins(Baseline):
    """Barlow Twins, Zbontar et al. 2021."""

    base_lr: Rate = 3e-5
    weight_decay: Decay = 1.5e-6
    projector: Projector = setting(lambda: Projector(hidden=8192, out=8192), "onto the space of the loss")
    redundancy_weight: NotNegative = setting(5e-3, "lambda: weight of the correlations off the diagonal")


class Clocs(Baseline):
    """CLOCS, Kiyasseh et al. 2021."""

    batch_size: PairBatch = setting(768, "ECGs a step")
    base_lr: Rate = 3e-4
    lr_reference_batch: Reference = 768
    temperature: Temperature = 0.1
    contrast: Literal["cmsc", "cmlc", "cmsmlc"] = setting(
        "cmsc",
        "the two halves of a record (authors); or cmlc, single leads; or cmsmlc, both. cmsc takes all leads together, "
        "cmlc those of one crop, cmsmlc single leads of both halves",
    )
    leads: Leads = setting(("II", "V2", "aVL", "aVR"), "of cmlc and cmsmlc; Kiyasseh et al. 2021")
    augment: ViewAugment = setting(
        lambda: ViewAugment(surrogate=0.125, noise=0.4, rescale=0.65), 'the authors\' "heavy" strengths'
    )


class Contrastive(Section):
    """§IV-D.1: baselines on ECGs; tau, learning rate, weight decay: paper, the rest: authors."""

    simclr: SimClr = setting(SimClr)
    byol: Byol = setting(Byol)
    barlow_twins: BarlowTwins = setting(BarlowTwins)
    clocs: Clocs = setting(Clocs)


class Cmr(Section):
    """§IV-C.1: SimCLR for the image encoder."""

    seed: TrainingSeed = 2022
    epochs: Epochs = setting(500, "passes over the training set; authors")
    batch_size: PairBatch = setting(256, "images a step")
    temperature: Temperature = setting(0.1, "tau of the NT-Xent loss")
    base_lr: Rate = setting(1e-4, "authors; lr = base_lr x batch_size / lr_reference_batch")
    lr_reference_batch: Reference = 256
    warmup_fraction: Warmup = 0.1
    weight_decay: Decay = 1e-4
    betas: Betas = (0.9, 0.999)
    optimizer: Optimizer = "adamw"
    select: Select = "best"
    projector: Projector = setting(lambda: Projector(hidden=2048, out=256), "onto the space of the loss")
    augment: CmrAugment = setting(CmrAugment)


class MmclCore(Section):
    """What an ablation may change of multimodal contrastive learning."""

    seed: TrainingSeed = 2022
    epochs: Epochs = 300
    batch_size: PairBatch = setting(256, "pairs a step")
    temperature: Temperature = setting(0.1, "tau of equations 4 and 5")
    image_weight: Share = setting(0.75, "lambda of equation 6: weight of the terms whose anchor is an image")
    weight_decay: Decay = 1e-4
    drop_path: DropPath = setting(0.1, "probability that a block of the ECG encoder is skipped; authors")
    augment_probability: Share = setting(
        0.95, "authors: share of samples augmented at all, apart from the random crop in time"
    )


class MmclChanges(Partial, MmclCore):
    """Settings in place of those of pretrain.mmcl."""


class Mmcl(MmclCore):
    """§III-B, §IV-C.2: multimodal contrastive learning.

    Each base learning rate is a job of its own, so that one more runs by itself; `select_mmcl` takes the lowest
    validation loss.
    """

    base_lrs: Some[Rate] = setting(
        (3e-5, 1e-4, 3e-4, 1e-3),
        "all are tried, the lowest validation loss wins; authors' choice: 1e-4. lr = base_lr x batch_size / "
        "lr_reference_batch",
    )
    lr_reference_batch: Reference = 256
    warmup_fraction: Warmup = 0.1
    betas: Betas = (0.9, 0.999)
    optimizer: Optimizer = "adamw"
    select: Select = "best"
    ecg_augment: EcgAugment = setting(lambda: EcgAugment(surrogate_probability=1.0))
    cmr_augment: CmrAugment = setting(CmrAugment)


class Pretrain(Section):
    """The pre-trainings."""

    seeds: Values[Seed] = setting(
        (),
        "every pre-training once with each of these, pooled in tables; none: once, with its own seed. The image "
        "SimCLR included; the fine-tunings take turns with them: run i starts from pre-training i modulo their "
        "number. Scores are then means over pre-trainings, and the intervals hold how far these differ. Folders of "
        "the further ones are named `mae_seed_101`; ablations have the first only",
    )
    mae: Mae = setting(Mae)
    contrastive: Contrastive = setting(Contrastive)
    cmr: Cmr = setting(Cmr)
    mmcl: Mmcl = setting(Mmcl)


def _some_change(ablation: "Ablation") -> "Ablation":
    if not ablation.model_fields_set:
        raise Mistake("too_short", min_length=1, field_type="Dictionary")
    return ablation


class Ablation(Partial):
    """What differs from pretrain.mmcl."""

    pairs: PairBatch | None = setting(None, "training pairs, drawn at random (fewer are a part of more); left out: all")
    shuffle_images: Literal["once", "every_batch"] | None = setting(
        None,
        "a negative control: every ECG meets the image of another subject, in training and validation. `every_batch`: "
        "another one each time, so that there is nothing to learn; `once`: the same one throughout, which says nothing "
        "about hearts but can be memorised, and a training that does so learns to tell ECGs apart",
    )
    finetune: bool = setting(False, "fine-tuned as well, on the targets and fractions of mmcl; each is probed")
    mmcl: MmclChanges = setting(MmclChanges, "settings in place of those of pretrain.mmcl")
    mae: MaeChanges | None = setting(
        None, "settings in place of those of pretrain.mae, for a masked autoencoder of its own to start from"
    )


AblationName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$"), BeforeValidator(str)]
Ablations = dict[AblationName, Annotated[Ablation, AfterValidator(_some_change)]]
