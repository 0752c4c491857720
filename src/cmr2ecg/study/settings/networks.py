"""Settings of the networks: their sizes, and weight files that stand in for pre-trainings."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cmr2ecg.study.settings.base import FITS, LIST, BelowOne, Count, Path, Positive, Section, setting

Pixels = Annotated[int, Field(ge=16, le=1024)]
Width = Annotated[int, Field(ge=2), FITS]
Blocks = Annotated[tuple[Count, ...], Field(min_length=1, max_length=8), LIST]
Channels = Annotated[tuple[Width, Width, Width, Width], LIST]
ResNet = Annotated[str, Field(pattern=r"^[a-z0-9_]*resne[a-z0-9_.]*$")]


class PositionEmbedding(Section):
    """The tokens' positions."""

    one_line: ClassVar[bool] = True
    init: Literal["sincos", "random"] = setting(
        "sincos",
        "2-D sine and cosine of lead and time; or random. N(0, 0.02), as the authors' code outside MDM. Loaded weights "
        "replace it",
    )
    trainable: bool = setting(False, "whether training changes it")


class Projector(Section):
    """Two-layer perceptron onto the shared space."""

    one_line: ClassVar[bool] = True
    hidden: Count = setting(512, "width of the hidden layer")
    out: Count = setting(128, "width of the output")


class EcgEncoder(Section):
    """§IV-C.1: the Vision Transformer that reads ECGs, 5.36 M parameters."""

    leads: Literal[12] = setting(12, "only 12 is possible")
    samples: Count = setting(2500, "of a crop, 5 s of the 10 s record; a multiple of patch")
    patch: Count = setting(100, "samples of one lead in a token. 12 x 25 = 300 tokens")
    dim: Count = setting(384, "width, a multiple of heads and of 4")
    depth: Count = setting(3, "transformer blocks")
    heads: Count = setting(6, "attention heads")
    mlp_ratio: Positive = setting(4.0, "hidden width of a block's perceptron over dim")
    position_embedding: PositionEmbedding = setting(
        PositionEmbedding,
        "authors: sincos in MDM only, random and trainable elsewhere (config/authors.yaml)",
    )


class MaeDecoder(Section):
    """The masked autoencoder's decoder; authors."""

    one_line: ClassVar[bool] = True
    dim: Count = setting(256, "width, a multiple of heads and of 4")
    depth: Count = setting(2, "transformer blocks")
    heads: Count = setting(8, "attention heads")


class EcgCnn(Section):
    """Not in the paper: finetune's supervised_cnn, the 1-D residual network xresnet1d18.

    It reads leads and samples of `models.ecg_encoder`.
    """

    width: Width = setting(
        64, "channels of the first stage; each stage doubles them: 6.3 M parameters, as the fine-tuned ViT has"
    )
    blocks: Blocks = setting(
        (2, 2, 2, 2),
        "residual blocks of each stage; one place of the last one sees 1.7 s at 500 Hz. Of two convolutions each; "
        "[3, 4, 6, 3] is the 34-layer form",
    )
    kernel: Count = setting(5, "samples of a convolution, odd; Strodthoff et al. 2021")
    dropout: BelowOne = setting(
        0.5, "share of the embedding set to zero in training, in front of the head; Strodthoff et al. 2021"
    )


class CmrEncoder(Section):
    """§IV-C.1: the network that reads images, a ResNet50 with 2048 features."""

    name: ResNet = setting("resnet50", "any timm ResNet")
    channels: Channels | None = setting(
        None,
        "of the four stages, null: the network's own. resnet10t with [16, 32, 48, 64] has 0.1 M parameters. A stem of "
        "several convolutions becomes narrower with the first stage",
    )
    image_size: Pixels = setting(210, "images are resized to this many pixels a side")
    output_stride: Literal[8, 16, 32] = setting(
        32,
        "pixels to a place of the similarity map: 210 / 32 is 7 x 7; 16 or 8 for small images. 32 is a ResNet's own; "
        "at 16 or 8 the last stages have dilated kernels in place of strides. Weights of one stride can be loaded at "
        "another, but were trained for their own. 64 pixels at 8 give 8 x 8 places",
    )


class Models(Section):
    """Sizes of the networks."""

    ecg_encoder: EcgEncoder = setting(EcgEncoder)
    mae_decoder: MaeDecoder = setting(MaeDecoder)
    ecg_cnn: EcgCnn = setting(EcgCnn)
    cmr_encoder: CmrEncoder = setting(CmrEncoder)
    projector: Projector = setting(Projector, "§IV-C.1: both projectors of MMCL, onto the shared latent space")


class Init(Section):
    """Weight files (.pth, .safetensors) in place of pre-trainings; null: trained here.

    Such as the authors' published ones or an encoder.safetensors of another run. The rule `import_weights` reads it
    (docs/published_weights.md); fine-tuning, probing, MMCL and release then take it as if it were trained here.
    """

    mae: Path | None = setting(None, "MAE's encoder, MMCL starts from it too; authors: signal_encoder_mdm.pth")
    mmcl_without_mdm: Path | None = setting(
        None, "ECG encoder of MMCL without MDM; authors: signal_encoder_mmcl_wo_mdm.pth"
    )
    mmcl: Path | None = setting(None, "ECG encoder of MMCL; authors: signal_encoder_mmcl.pth")
    simclr: Path | None = setting(None, "ECG encoder of SimCLR")
    clocs: Path | None = setting(None, "ECG encoder of CLOCS")
    byol: Path | None = setting(None, "ECG encoder of BYOL")
    barlow_twins: Path | None = setting(None, "ECG encoder of Barlow Twins")
    cmr_simclr: Path | None = setting(None, "image encoder that MMCL starts from; authors: image_encoder_simclr.pth")
    cmr_mmcl_without_mdm: Path | None = setting(
        None, "image encoder of MMCL without MDM; authors: image_encoder_mmcl_wo_mdm.pth"
    )
    cmr_mmcl: Path | None = setting(None, "image encoder of MMCL; authors: image_encoder_mmcl.pth")
