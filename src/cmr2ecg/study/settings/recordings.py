"""Settings of how one subject's ECG and images are prepared."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cmr2ecg.study.settings.base import (
    AS_WRITTEN,
    DISTINCT,
    LIST,
    Count,
    Inside,
    NotNegative,
    Number,
    Positive,
    Section,
    Share,
    UpToOne,
    Whole,
    setting,
)

LimbLeads = Annotated[int, Field(ge=0, le=4)]
ChestLeads = Annotated[int, Field(ge=0, le=6)]
Pixels = Annotated[int, Field(ge=16, le=1024)]
Percentile = Annotated[float, Field(gt=50, le=100), *AS_WRITTEN]
Phase = Literal["es", "ed", "mid"]
Channels = Annotated[tuple[Phase, ...], Field(min_length=3, max_length=3), LIST, *DISTINCT]


class Baseline(Section):
    """Removal of the baseline wander; values: authors."""

    method: Literal["asls", "airpls"] = setting(
        "asls", "asymmetric least squares, §IV-A; or airpls, the adaptive form of reference [40]"
    )
    lam: Positive = setting(1e7, "smoothness of the baseline")
    p: Inside = setting(0.3, "asls: weight of the samples above the baseline; those below have 1 - p")
    iterations: Count = setting(5, "rounds of reweighting")


class Quality(Section):
    """A record beyond one of these limits is rejected, with the reason in the QC table.

    The table lists every measure, for accepted records too.
    """

    max_missing_limb_leads: LimbLeads = setting(
        4, "any two limb leads give the others, which are computed; a missing chest lead always rejects"
    )
    max_blank: Share = setting(0.1, "share of blank samples in one lead; fewer become 0, as the authors do")
    max_mv: Positive = setting(20.0, "largest absolute value in mV; beyond it the unit is wrong or the file damaged")
    flat_uv: NotNegative = setting(
        5.0, "a lead whose standard deviation in µV is below this is flat; one count of the device"
    )
    max_constant_s: Positive = setting(1.0, "and so is one that stays at one value for longer than this many seconds")
    max_flat_chest_leads: ChestLeads = setting(3, "a flat limb lead always rejects. The other limb leads rest on it")
    max_saturated: Share = setting(0.02, "share of one lead's samples cut off at its highest or lowest value")
    max_einthoven_error: NotNegative = setting(
        0.1,
        "error of II = I + III and the augmented leads, relative to their amplitude. In the worst second; shows "
        "swapped or scaled leads",
    )
    minimum_snr_db: Number = setting(
        0.0, "power of the beats against what lies above 40 Hz, in dB; white noise alone has -7"
    )
    minimum_beats: Whole = setting(3, "fewest QRS complexes found in the record")
    reject_poor_quality: bool = setting(
        False, 'records the device itself calls "Poor data quality". They are named in the QC table either way'
    )


class CleanEcg(Section):
    """ECG pre-processing, §IV-A.

    The paper names the method; the values are those of the authors' code.
    """

    sampling_rate_hz: Count = setting(500, "samples a second; records with another rate are resampled")
    samples: Count = setting(5000, "samples of a whole record, 10 s")
    clip_std: Positive = setting(4.0, "authors: clamp to this many standard deviations of the whole record")
    baseline: Baseline = setting(Baseline)
    quality: Quality = setting(Quality)


class FixedBox(Section):
    """The place of the authors' box in shares of the frame, padded to a square."""

    one_line: ClassVar[bool] = True
    top: Share = setting(0.21, "upper edge")
    left: Share = setting(0.325, "left edge")
    side: UpToOne = setting(0.375, "side of the box")


class CropCmr(Section):
    """CMR pre-processing, §IV-A.

    The paper cropped by hand, the authors' code at a fixed place; here the box follows the beating heart and holds both
    ventricles.
    """

    size: Pixels = setting(210, "pixels a side, before and after the crop")
    crop: Literal["motion", "fixed"] = setting(
        "motion", "around both ventricles of the beating heart; or fixed, the authors' place"
    )
    box_mm: Positive = setting(
        142.0, "motion: side of the square around the heart; authors' 78 of 210 pixels of 1.83 mm"
    )
    fixed_box: FixedBox = setting(FixedBox, "fixed: shares of the frame, padded to a square; authors")
    channels: Channels = setting(
        ("es", "ed", "mid"),
        "end-systole, end-diastole, mid-phase in this order; the same lab's other code: [es, mid, ed]",
    )
    mid_phase: Literal["halfway", "half_systole"] = setting(
        "halfway", "between end-diastole and end-systole; or half_systole, frame ES // 2 (the same lab's other code)"
    )
    end_diastole: Literal["largest", "first_frame"] = setting(
        "largest",
        "largest blood pool of the left ventricle; or first_frame of the beat (Bai et al.). End-systole is the "
        "smallest pool either way",
    )
    clip_percentile: Percentile | None = setting(
        None,
        "of the three frames, what stands for the brightest in min-max; the same lab's other code: 99. What is "
        "brighter becomes 1. null: the brightest itself, as in the paper",
    )
    minimum_slices: Count = setting(8, "stacks with fewer slices are rejected; authors: those of 7 or fewer")
    minimum_frames: Count = setting(10, "cines with fewer frames are rejected")
    max_missing_frames: Share = setting(0.2, "share of a beat's frames that may be absent or undecodable")
