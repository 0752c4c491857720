"""Settings that several trainings share: their optimiser, and how ECGs and images are augmented."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cmr2ecg.study.settings.base import (
    AS_WRITTEN,
    FITS,
    LIST,
    BelowOne,
    Count,
    NotNegative,
    Positive,
    Section,
    Seed,
    Share,
    Some,
    UpToOne,
    setting,
)

TrainingSeed = Annotated[Seed, Field(description="of initial weights, order and augmentation")]
Seeds = Some[Seed]
Epochs = Annotated[Count, Field(description="passes over the training set")]
Batch = Annotated[Count, Field(description="ECGs a step at most: an epoch's batches are of equal size")]
PairBatch = Annotated[int, Field(ge=2), FITS]  # a contrastive loss needs other samples
Rate = Annotated[UpToOne, Field(description="lr = base_lr x batch_size / lr_reference_batch")]
Reference = Annotated[Count, Field(description="batch size for which base_lr is stated")]
Warmup = Annotated[
    Share, Field(description="share of the epochs in which the rate rises from 0; then half a cosine to 0")
]
Decay = Annotated[Share, Field(description="with AdamW biases, norms and position embeddings have none")]
Betas = Annotated[
    tuple[BelowOne, ...],
    Field(min_length=2, max_length=2, description="decay rates of the running means"),
    LIST,
]
Optimizer = Annotated[
    Literal["adamw", "adam_l2"],
    Field(
        description="adamw, or adam_l2, Adam with the weight decay in the gradient (authors). Of every "
        "parameter, as in their contrastive trainings"
    ),
]
DropPath = Annotated[BelowOne, Field(description="probability that a block of the ECG encoder is skipped")]
LayerDecay = Annotated[UpToOne, Field(description="factor of the learning rate from one layer to the one below")]
Smoothing = Annotated[BelowOne, Field(description="share of the label spread over both classes")]
Select = Annotated[
    Literal["last", "best"],
    Field(description="weights that are kept: of the last epoch, or of the best (lowest) validation loss"),
]
Temperature = Annotated[Positive, Field(description="tau of the loss")]
Window = Annotated[int, Field(ge=4), FITS]
Degrees = Annotated[float, Field(ge=0, le=180), *AS_WRITTEN]
Lead = Literal["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


class EcgAugment(Section):
    """Augmentation of ECGs, after the random crop in time."""

    one_line: ClassVar[bool] = True
    surrogate: Share = setting(
        0.1, "phase noise magnitude of the Fourier-transform surrogate. 1 would draw phases all around"
    )
    surrogate_probability: Share = setting(0.5, "share of ECGs turned into a surrogate")
    noise: NotNegative = setting(0.25, "std of the Gaussian noise, in units of the normalised ECG")
    noise_kind: Literal["additive", "multiplicative"] = setting(
        "additive", "x + N(0, noise); or multiplicative, x + 0.6 x N(0, noise), as the authors' code has it"
    )
    rescale: NotNegative = setting(0.5, "each ECG is multiplied by one number from N(1, rescale)")


class ViewAugment(EcgAugment):
    """Augmentation of an ECG into a view, after the random crop in time."""

    surrogate_probability: Share = setting(1.0, "share of ECGs turned into a surrogate")
    time_flip: Share = setting(0.5, "share of ECGs reversed in time")
    sign_flip: Share = setting(0.5, "share of ECGs whose sign is changed")
    spectrogram_mask: BelowOne = setting(
        0.25, "share of the spectrogram's frequencies, or as often of its time, that is blanked. 0 switches it off"
    )
    spectrogram_window: Window = setting(120, "samples of a window of the spectrogram")


class CmrAugment(Section):
    """§IV-C.2: augmentation of images."""

    one_line: ClassVar[bool] = True
    flip: Share = setting(0.5, "probability of a left-right flip")
    rotate_degrees: Degrees = setting(45, "largest angle of a rotation, either way")
    rotate_probability: Share = setting(0.5, "probability of a rotation; the authors' code always rotates")
    brightness: Share = setting(0.5, "factor drawn from 1 ± this")
    contrast: Share = setting(0.5, "factor drawn from 1 ± this")
    saturation: Share = setting(
        0.25, "factor drawn from 1 ± this; the authors' code has 0.5. The channels are cardiac phases, not colours"
    )
    crop_scale: UpToOne = setting(0.6, "smallest share of the area the random crop keeps")
