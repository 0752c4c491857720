"""Settings of who is in the study: the synthetic cohort, visits, tables, splits and subsets."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from cmr2ecg.study.settings.base import (
    AS_WRITTEN,
    Count,
    Inside,
    Mistake,
    Name,
    Number,
    Pair,
    Percent,
    Section,
    Seed,
    Share,
    Some,
    Values,
    Whole,
    setting,
)

Subjects = Annotated[int, Field(ge=1, le=999998)]
FurtherSubjects = Annotated[int, Field(ge=0, le=999998)]
Frames = Annotated[int, Field(ge=10, le=200)]
Slices = Annotated[int, Field(ge=4, le=40)]
Matrix = Annotated[int, Field(ge=32, le=1024)]
FieldOfView = Annotated[float, Field(ge=200, le=1000), *AS_WRITTEN]
HeartShift = Annotated[float, Field(ge=0, le=60), *AS_WRITTEN]
Instance = Annotated[int, Field(ge=0, le=9)]
Code = Annotated[str, Field(min_length=1)]
Correlation = Annotated[float, Field(ge=0.9, le=1), *AS_WRITTEN]
Draws = Annotated[int, Field(ge=1, le=1000)]


class Prevalence(Section):
    """Share of subjects with each disease."""

    one_line: ClassVar[bool] = True
    cad: Share = setting(0.0722, "share with coronary artery disease")
    af: Share = setting(0.0298, "share with atrial fibrillation")
    dm: Share = setting(0.0446, "share with diabetes mellitus")


class SimulateCohort(Section):
    """A synthetic cohort in UK Biobank's own file formats; on in demo.yaml.

    For those without access to the data ([docs/synthetic_cohort.md](../docs/synthetic_cohort.md)).
    """

    enabled: bool = setting(False, "whether to write the cohort and run the study on it")
    subjects: Subjects = setting(300, "number of subjects")
    seed: Seed = setting(2024, "the same seed gives the same files")
    ecg_visibility: Share = setting(
        0.6,
        "how much of the heart the ECG sees; 1: all, 0: nothing beyond age, sex and body. docs/synthetic_cohort.md",
    )
    ecg_only_risk: Share = setting(
        0.5,
        "share of the heart's part in the log-odds of disease that only the ECG shows. Of the variance beyond body, "
        "rate and rhythm; half of it for DM",
    )
    infarct: Share = setting(0.1, "share of subjects with an infarct of one of the six middle segments")
    frames: Frames = setting(50, "cine frames a slice")
    slices: Slices = setting(10, "mean number of short-axis slices")
    matrix: Matrix = setting(208, "pixels a side of the image")
    field_of_view_mm: FieldOfView = setting(380, "side of the image in mm")
    heart_shift_mm: HeartShift = setting(
        15.2,
        "std of the heart's place in the image, across and down. `crop_cmr.crop: motion` follows it, `fixed` does not",
    )
    prevalence: Prevalence = setting(Prevalence, "share of subjects with each disease, §IV-B")
    phenotypes_missing: Share = setting(0.5, "share without CMR phenotypes; §IV-B: half")
    repeat_visits: Share = setting(0.02, "share of subjects with a second imaging visit")
    missing_modality: Share = setting(0.03, "share lacking the ECG or the CMR")
    broken: Share = setting(0.03, "share with a damaged file")
    withdrawn: Whole = setting(2, "subjects on the withdrawal list")
    ecg_only: FurtherSubjects = setting(0, "further subjects with an ECG and no CMR. The others stay the same")


def _with_ecg(modalities: tuple[str, ...]) -> tuple[str, ...]:
    if modalities not in (("ecg", "cmr"), ("ecg",)):
        raise Mistake("literal_error", expected="[ecg, cmr] or [ecg]")
    return modalities


class IndexCohort(Section):
    """Which visits are used."""

    modalities: Annotated[Values[Literal["ecg", "cmr"]], AfterValidator(_with_ecg)] = setting(
        ("ecg", "cmr"), "recordings that a subject must have; [ecg] runs without images. See docs/ecg_only.md"
    )
    instances: Some[Instance] = setting((2, 3), "imaging visits looked at; the earliest with both files is used")
    unpaired_ecgs: bool = setting(
        False,
        "whether pre-trainings on ECGs alone also see ECGs without a usable image, or without labels. The MAE and the "
        "contrastive baselines on ECGs (docs/pretraining.md)",
    )


class Fields(Section):
    """Field ids of the covariates."""

    one_line: ClassVar[bool] = True
    sex: Count = setting(31, "sex (0 female, 1 male)")
    age: Count = setting(21003, "age at the visit in years")
    weight: Count = setting(21002, "weight in kg")
    height: Count = setting(50, "standing height in cm")


class Ranges(Section):
    """Lowest and highest value that can be, in years, kg and cm.

    Values beyond are left empty and counted, and if they are the most the run stops, for the column is in another unit.
    """

    one_line: ClassVar[bool] = True
    age: Pair[Number] = setting((0, 120), "years, lowest and highest")
    weight: Pair[Number] = setting((20, 400), "kg, lowest and highest")
    height: Pair[Number] = setting((100, 250), "cm, lowest and highest")


class Codes(Section):
    """One field with ICD-10 codes."""

    one_line: ClassVar[bool] = True
    codes: Count = setting(41270, "field id of the codes")
    dates: Count | None = setting(None, "field id of the codes' dates; null: UK Biobank has none")
    use: bool = setting(True, "false leaves them out")


class Diagnoses(Section):
    """Fields with ICD-10 codes, and those with their dates; `use: false` switches one off."""

    hospital: Codes = setting(lambda: Codes(codes=41270, dates=41280), "all hospital diagnoses")
    hospital_main: Codes = setting(lambda: Codes(codes=41202, dates=41262), "main hospital diagnoses")
    hospital_secondary: Codes = setting(lambda: Codes(codes=41204), "secondary hospital diagnoses")
    death_underlying: Codes = setting(lambda: Codes(codes=40001, dates=40000), "underlying cause of death")
    death_contributory: Codes = setting(lambda: Codes(codes=40002, dates=40000), "contributory causes of death")


DISEASES = {
    "cad": ("I20", "I21", "I22", "I23", "I24", "I25"),
    "af": ("I48",),
    "dm": ("E10", "E11", "E12", "E13", "E14"),
}


def _without_null(diseases: Any) -> Any:
    """Leave out those that are null: an overlay can take a disease of paper.yaml away."""
    is_map = isinstance(diseases, dict)
    return {name: prefixes for name, prefixes in diseases.items() if prefixes is not None} if is_map else diseases


class ReadTabular(Section):
    """Field ids of the UK Biobank showcase.

    Covariates and phenotypes are those of the imaging visit that `index_cohort` chose. Which spellings of tables are
    read is in [`docs/raw_data.md`](../docs/raw_data.md).
    """

    layout: Literal["ukb", "named"] = setting(
        "ukb",
        "ukb: columns are field ids; or named: columns eid, cad, sex, ... by these names, for ECGs from elsewhere. "
        "Labels are then 0 and 1 (docs/ecg_only.md)",
    )
    fields: Fields = setting(Fields)
    ranges: Ranges = setting(
        Ranges,
        "years, kg, cm; values beyond are left empty and counted. If they are the most the run stops, for the column "
        "is in another unit",
    )
    visit_date: Count | None = setting(
        53,
        "date of the visit; null goes without. With the date of a first record it tells prevalent from incident "
        "disease",
    )
    diagnoses: Diagnoses = setting(Diagnoses)
    diseases: Annotated[dict[Name, Some[Code]], Field(min_length=1), BeforeValidator(_without_null)] = setting(
        DISEASES,
        "ICD-10 prefixes without dot, §IV-B; past and future records count. Further diseases, such as `hf: [I50]`, are "
        "further keys, and `cad: null` takes one away (docs/raw_data.md). With `recordings` they are its classes",
        {"cad": "coronary artery disease", "af": "atrial fibrillation", "dm": "diabetes mellitus"},
    )


class SplitSubjects(Section):
    """§IV-A: 28,030 / 6,007 / 6,007 subjects. The three shares add up to 1."""

    method: Literal["stratified", "hash", "given"] = setting(
        "stratified",
        "stratified on cad x af x dm; or hash, by the eid alone, so that new subjects move nobody; or given. With hash "
        "the splits' prevalences agree only on average. given: the split of the data set (`recordings.split`), or of "
        "the column split of a csv with eid and path. Recordings of one subject are in one split in any case",
    )
    train: Inside = setting(0.7, "share for training")
    val: Inside = setting(0.15, "share for validation")
    test: Inside = setting(0.15, "share for the test")
    seed: Seed = setting(2023, "seed of the division")


class SubsetSizes(Section):
    """Which subsets there are."""

    fractions: Some[Percent] = setting((100, 10, 1), "percent of the positives, each with as many negatives")
    phenotype_fractions: Some[Percent] = setting(
        (100,),
        "percent of the training subjects who have one of a group's phenotypes. 100 must be among them; below 100 they "
        "are random subsets of at least 10 subjects, and twice `minimum_pairs`",
    )


class SubsetDraw(Section):
    """How a subset is drawn."""

    balance: Literal["pairs", "natural"] = setting(
        "pairs",
        "pairs: as many negatives as positives, §IV-B; natural: `fraction` percent of the positives and of the "
        "negatives. Natural keeps the prevalence of the training set, as benchmarks on public data sets do",
    )
    draws: Draws = setting(
        1,
        "sets drawn of each size below 100 %. 1: the paper's one fixed set, on which every seed is trained; n: n "
        "sets, one training on each in place of one a seed (seeds are used again, raised by 1000), so that the "
        "intervals hold the draw. All lie within the whole set, and models are compared on the same sets",
    )
    minimum_pairs: Count = setting(1, "fewest positives a set may have")
    seed: Seed = setting(2023, "seed of the choice of negatives")


class BalanceSubset(SubsetDraw, SubsetSizes):
    """§IV-B, §V-D: all positives and as many fixed random negatives.

    Of phenotypes all training subjects who have one of a group. The 1 % set lies within the 10 % set, that within the
    whole.
    """


class AuditLeakage(Section):
    """Nothing is trained before this step has found that nothing crosses the splits.

    No subject, repeat visit or recording; and the subsets are nested.
    """

    duplicate_correlation: Correlation = setting(
        0.999, "two subjects whose ECGs, or whose images, correlate this much count as one recording under two eids"
    )
