"""Settings of what comes out: scores, similarity maps, tables, figures, releases."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from cmr2ecg.study.settings.base import (
    DISTINCT,
    FITS,
    LIST,
    Count,
    Inside,
    Name,
    Positive,
    Section,
    Seed,
    Some,
    UpToOne,
    Values,
    Whole,
    setting,
)
from cmr2ecg.study.settings.fitting import Encoder
from cmr2ecg.study.settings.training import Lead

Bins = Annotated[int, Field(ge=2), FITS]
Enlargement = Annotated[int, Field(ge=1, le=8)]
Cases = Annotated[int, Field(ge=0, le=12)]
Sheet = Annotated[int, Field(ge=1, le=100)]
Dpi = Annotated[int, Field(ge=20, le=1200)]
Eid = Count
Eids = Annotated[tuple[Eid, ...], Field(max_length=24), LIST, *DISTINCT]
PhenotypeName = Annotated[
    str,
    Field(pattern=r"^(LV(EDV|ESV|SV|EF|CO|M)|RV(EDV|ESV|SV|EF)|(WT|Ecc|Err)_(Global|AHA_([1-9]|1[0-6])))$"),
]
Supplement = Literal[
    "iv_per_phenotype", "claims", "comparisons", "controls", "added_value", "calibration", "subgroups", "adjusted",
    "onset", "heatmap", "retrieval", "label_efficiency", "fine_tuned", "headline",
]  # fmt: skip
SUPPLEMENTS: tuple[Supplement, ...] = get_args(Supplement)
PHENOTYPES = (
    "LVEDV", "LVESV", "LVSV", "LVEF", "LVCO", "LVM", "RVEDV", "RVESV", "RVSV", "RVEF", "WT_Global", "WT_AHA_2",
    "WT_AHA_8", "WT_AHA_11", "Ecc_Global", "Ecc_AHA_8", "Ecc_AHA_11", "Err_Global", "Err_AHA_8", "Err_AHA_11",
)  # fmt: skip


class Margin(Section):
    """Margins of non-inferiority."""

    one_line: ClassVar[bool] = True
    auroc: UpToOne = setting(
        0.01,
        "ROC AUC: a model whose interval begins above minus this is at the other's level. The smallest lead of MMCL "
        "over CMR that table I counts is 1.00 percentage points (AF); who is behind by as much is not at its level",
    )
    r: UpToOne = setting(
        0.02,
        "the same in Pearson's r. The same share, 2 %, of the way from chance to perfect (AUROC: 0.5 to 1, r: 0 to 1)",
    )


class Untrained(Section):
    """Models that tables and claims mark as not trained, by validation only; docs/evaluation.md.

    There are the reason and the other criteria.
    """

    minimum_steps: Whole = setting(
        300, "optimiser steps; fewer hardly move random weights at the paper's learning rates. 0: any number"
    )


class Evaluate(Section):
    """Scores of the finished trainings."""

    margin: Margin = setting(Margin, "a model that is less far behind another is at its level (non-inferiority)")
    age_bands: Values[Positive] = setting((55, 65), "years; inner borders of the age groups")
    calibration_bins: Bins = setting(10, "groups of rising risk in a calibration curve")
    untrained: Untrained = setting(Untrained)
    macro: dict[Name, Some[Name]] = setting(
        {},
        "name -> diseases whose mean AUROC is a further column, such as `superclasses: [norm, mi, sttc, cd, hyp]`. As "
        "benchmarks of several labels report it; with its interval over subjects and training runs",
    )


class Heatmap(Section):
    """§III-C, §V-E: similarity maps between an ECG and an image."""

    upsample: Enlargement = setting(
        1, "times the ResNet's map is enlarged, bilinearly, before it is projected; authors: 2"
    )
    temperature: Positive = setting(
        1.0, "figure 6 shows the similarities divided by this; authors: 0.6, not in the paper"
    )
    permutations: Count = setting(1000, "permutations of the ECGs over other subjects' images behind the null")
    draws: Count = setting(2000, "of test subjects behind a 95 % interval")
    seed: Seed = setting(0, "of the permutations and draws")


class MakeTable(Section):
    """Tables to make."""

    tables: Values[Literal[1, 2, 3, 4, 5]] = setting((1, 2, 3, 4, 5), "numbers of the paper's tables")
    supplements: Values[Supplement] = setting(
        SUPPLEMENTS,
        "further tables. r of every phenotype; the paper's claims with a verdict each; tests against MMCL; linear "
        "probes and other controls; what the ECG adds to age, sex, weight and height; calibration; by sex and age; "
        "beyond age, sex and body size; disease before and after the visit; the similarity maps as numbers; the gain "
        "over training from scratch by the number of labelled subjects; the headline, which a run ends with",
    )


class Release(Section):
    """Folders that `cmr2ecg predict` runs on."""

    encoders: Values[Encoder] = setting(
        ("mmcl",),
        "ECG encoders of finetune.encoders; the weights of all their seeds at 100 % are kept. Whatever "
        "`finetune.keep_checkpoints` says; each becomes `release/<encoder>` (docs/predict.md)",
    )
    coverage: Inside = setting(
        0.9, "share of subjects that a phenotype's interval is to hold. From the errors on the validation split"
    )
    onnx: bool = setting(
        True, "also as an ONNX graph, `model.onnx`. The step fails if onnxruntime differs by more than 1e-4"
    )


class FigureCases(Section):
    """Test subjects of each kind in figure 6."""

    one_line: ClassVar[bool] = True
    random: Cases = setting(2, "drawn with the seed")
    occluded: Cases = setting(
        1,
        "those whose heart is darkest at end-diastole. 1 - mean brightness within 12 % of the crop's side from its "
        "middle, over the crop's 95th percentile, is highest",
    )
    motion: Cases = setting(
        1,
        "those whose heart has the weakest edges. Root-mean-square gradient in the middle half, over the std of "
        "brightness there, is lowest",
    )
    extreme: Cases = setting(
        1,
        "those whose blood-pool areas at end-diastole and end-systole are farthest from the mean. crop_cmr's QC table "
        "has them",
    )


class MakeFigure(Section):
    """Figures to make."""

    figures: Values[Literal[2, 4, 5, 6]] = setting(
        (2, 4, 5, 6),
        "numbers of the paper's figures. 6 is drawn on the image and, as `figure_6_ecg`, on the ECG; where a target is "
        "learnt from several numbers of subjects `labelled_subjects` is drawn too",
    )
    quality_figures: Values[Literal["exclusion_flow", "ecg_sheet", "cmr_sheet", "distributions"]] = setting(
        ("exclusion_flow", "ecg_sheet", "cmr_sheet", "distributions"),
        "figures of the data's quality. Exclusions, random ECGs, random hearts, covariates and labels by split",
    )
    leads: Some[Lead] = setting(("I", "II", "V1", "V5"), "figure 2")
    phenotypes: Some[PhenotypeName] = setting(
        PHENOTYPES,
        "figure 4: 20 of 61 as the paper shows, which does not say which. Here: both ventricles whole; of each group "
        "of segments the mean, and septum against lateral wall at mid level (8, 11); the thickest segment (2) with "
        "them",
    )
    dots: Count = setting(
        500,
        "figure 4: test subjects drawn at random in each panel. Line and r are of all of them; r is the mean over the "
        "runs, dots and line are the run of median validation score",
    )
    cases: FigureCases = setting(FigureCases, "figure 6: test subjects of each kind")
    eids: Eids = setting((), "figure 6: subjects of your own choice, shown first. No picture, log or report names them")
    sheet_subjects: Sheet = setting(12, "subjects drawn at random for the two sheets")
    seed: Seed = setting(0, "of every random choice in a figure: subjects, the mask of figure 2")
    dpi: Dpi = setting(200, "dots per inch of the PNG")
