"""The paper's claims that one model outperforms another (§V-A to §V-F), as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from cmr2ecg.ukb.phenotypes import GROUPS

DISEASES = ("cad", "af", "dm")
UNIMODAL = ("simclr", "clocs", "byol", "barlow_twins")  # contrastive, from the ECG alone


@dataclass(frozen=True)
class Claim:
    """`better` outperforms `worse` on `target`, fine-tuned on `fraction` percent, as `section` of the paper claims.

    Both are encoders of fine-tuned models, or "tabular".
    """

    section: str
    better: str
    worse: str
    target: str
    fraction: int = 100


def claims() -> list[Claim]:
    """Return every claim in the paper's order."""
    return [*_modalities(), *_strategies(), *_phenotypes(), *_low_data(), *_images()]


def _modalities() -> Iterator[Claim]:
    """§V-A, table I: the paper calls CMR and tabular on a par for CAD, so that is no claim."""
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
    for worse, group in product(("supervised", "mae", "mmcl_without_mdm"), GROUPS):
        yield Claim("V-C", "mmcl", worse, group)
    for group in GROUPS:
        yield Claim("V-C", "mae", "mmcl_without_mdm", group)
    for group in GROUPS:
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


def verdict(low: float, high: float) -> str:
    """Return confirmed, reversed or not confirmed, by the 95 % interval of how far the better model is ahead."""
    if low > 0:
        return "confirmed"
    return "reversed" if high < 0 else "not confirmed"
