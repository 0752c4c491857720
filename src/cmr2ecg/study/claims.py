"""The paper's claims that one model outperforms another, or is at its level (§V-A to §V-F), as data; their verdicts."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from cmr2ecg.study.targets import PHENOTYPE_GROUPS

ALPHA = 0.05
DISEASES = ("cad", "af", "dm")
UNIMODAL = ("simclr", "clocs", "byol", "barlow_twins")  # contrastive, from the ECG alone


@dataclass(frozen=True)
class Claim:
    """`better` outperforms `worse` on `target`, fine-tuned on `fraction` percent, as `section` of the paper claims.

    Both are encoders of fine-tuned models, or "tabular". kind: "above", or "level" where the paper claims that `better`
    reaches `worse`.
    """

    section: str
    better: str
    worse: str
    target: str
    fraction: int = 100
    kind: str = "above"


def claims() -> list[Claim]:
    """Return every claim in the paper's order."""
    return [*_modalities(), *_strategies(), *_phenotypes(), *_low_data(), *_images()]


def _modalities() -> Iterator[Claim]:
    """§V-A, table I; its heading says that the ECG classifies at CMR level, its text that it outperforms CMR.

    The paper calls CMR and tabular on a par for CAD, a remark on two baselines that is left out.
    """
    for target in DISEASES:
        yield Claim("V-A", "mmcl", "cmr_supervised", target, kind="level")
    for worse, target in product(("supervised", "tabular", "cmr_supervised"), DISEASES):
        yield Claim("V-A", "mmcl", worse, target)
    for target in DISEASES:
        yield Claim("V-A", "cmr_supervised", "supervised", target)
    for target in ("af", "dm"):
        yield Claim("V-A", "cmr_supervised", "tabular", target)


def _strategies() -> Iterator[Claim]:
    """§V-B, tables II and III; for CAD the paper puts the MAE before MMCL without it."""
    for worse, target in product(("supervised", *UNIMODAL), DISEASES):
        yield Claim("V-B", "mae", worse, target)
    for worse, target in product((*UNIMODAL, "mae", "mmcl_without_mdm"), DISEASES):
        yield Claim("V-B", "mmcl", worse, target)
    for target in DISEASES:
        yield Claim("V-B", "mmcl_without_mdm", "supervised", target)
    yield Claim("V-B", "mae", "mmcl_without_mdm", "cad")
    for target in ("af", "dm"):
        yield Claim("V-B", "mmcl_without_mdm", "mae", target)


def _phenotypes() -> Iterator[Claim]:
    """§V-C, table IV."""
    for worse, group in product(("supervised", "mae", "mmcl_without_mdm"), PHENOTYPE_GROUPS):
        yield Claim("V-C", "mmcl", worse, group)
    for group in PHENOTYPE_GROUPS:
        yield Claim("V-C", "mae", "mmcl_without_mdm", group)
    for group in PHENOTYPE_GROUPS:
        yield Claim("V-C", "mmcl_without_mdm", "supervised", group)


def _low_data() -> Iterator[Claim]:
    """§V-D, figure 5: MMCL is ahead except for CAD at 1 %, where it is behind MMCL without MDM."""
    worse = ("supervised", *UNIMODAL, "mae", "mmcl_without_mdm")
    for fraction, target, name in product((10, 1), DISEASES, worse):
        if (fraction, target, name) == (1, "cad", "mmcl_without_mdm"):
            yield Claim("V-D", name, "mmcl", target, fraction)
        else:
            yield Claim("V-D", "mmcl", name, target, fraction)


def _images() -> Iterator[Claim]:
    """§V-F, table V."""
    for better, target in product(("cmr_mmcl_without_mdm", "cmr_mmcl"), DISEASES):
        yield Claim("V-F", better, "cmr_supervised", target)


VERDICTS = ("confirmed", "at the level of", "not confirmed", "reversed", "not tested", "not run")


def boundary(kind: str, margin: float) -> float:
    """Return the difference that a claim must lie above: none, or minus the margin of non-inferiority for a level."""
    return -margin if kind == "level" else 0.0


def verdict(kind: str, difference: float, low: float, p_holm: float, margin: float) -> str:
    """Return one of VERDICTS on a claim that was tested.

    Args:
        kind: of the claim.
        difference, low: how far the better model is ahead, and the lower end of the 95 % interval.
        p_holm: two-sided, against `boundary`, corrected for all claims of the page.
        margin: of non-inferiority; NaN where there is none.
    """
    if p_holm < ALPHA:
        return "confirmed" if difference > boundary(kind, margin) else "reversed"
    return "at the level of" if kind == "above" and low > -margin else "not confirmed"
