"""The paper's tables as data: which models are in which row, under which headings; columns of other diseases."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

import pandas as pd

from cmr2ecg.report.tables.names import MODELS
from cmr2ecg.report.tables.paper_values import PAPER
from cmr2ecg.study.claims import DISEASES
from cmr2ecg.study.targets import PHENOTYPE_GROUPS

YES, NO = "✓", "✗"


@dataclass(frozen=True)
class Row:
    """A model and the words that describe it, one for each heading on the left of the table.

    reference: is there for comparison and takes no part in who is best.
    """

    encoder: str
    words: tuple[str, ...]
    reference: bool = False


@dataclass(frozen=True)
class Layout:
    """A table of the paper: `left` holds (group, heading) pairs, `targets` the columns of numbers.

    scale: from the metric to the printed unit. std: whether that over seeds is printed. beyond: rows that the
    paper lacks, which are at the end of `rows` once `with_fitted` has put them there; they may be the best.
    """

    number: int
    roman: str
    title: str
    left: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    targets: tuple[str, ...] = DISEASES
    targets_group: str = "Cardiovascular disease"
    metric: str = "auroc"
    metric_name: str = "ROC AUC [%]"
    scale: float = 100.0
    digits: int = 2
    std: bool = True
    fraction: int = 100
    beyond: tuple[Row, ...] = ()

    def with_fitted(self, encoders: Container[str]) -> "Layout":
        """Return the table with those rows beyond the paper's whose encoder was fitted."""
        return replace(self, rows=(*self.rows, *(row for row in self.beyond if row.encoder in encoders)))

    def published(self, target: str) -> bool:
        """Say whether the paper has numbers on a target, which are then printed beside ours."""
        return any(target in PAPER.get(row.encoder, {}) for row in self.rows)

    @property
    def own_targets(self) -> tuple[str, ...]:
        """The targets that the paper does not have; they come last."""
        return tuple(target for target in self.targets if not self.published(target))


def own_diseases(targets: Iterable[str]) -> list[str]:
    """Return the diseases among some targets that the paper does not have, by name."""
    return sorted({*targets} - {*DISEASES, *PHENOTYPE_GROUPS})


def in_order(targets: Iterable[str]) -> list[str]:
    """Return the paper's diseases, those of some targets that it does not have, and its groups of phenotypes."""
    return [*DISEASES, *own_diseases(targets), *PHENOTYPE_GROUPS]


def with_own_diseases(layout: Layout, *tables: pd.DataFrame) -> Layout:
    """Return the layout with a further column for each disease of one's own that one of its models was fine-tuned on.

    The paper's columns stay, also those of targets that were not run. tables: metrics.csv, skipped.csv.
    """
    if layout.metric != "auroc":
        return layout
    encoders, found = [row.encoder for row in layout.rows], set()
    for table in tables:
        here = (table["fit"] == "finetune") & (table["fraction"] == layout.fraction) & table["encoder"].isin(encoders)
        found |= {*table.loc[here, "target"]}
    return replace(layout, targets=(*layout.targets, *own_diseases(found)))


_MODALITY = (("", "Modality"),)
_MODEL = (*_MODALITY, ("", "Model"))
_PRETRAINING = (*_MODEL, ("Pre-training", "MDM"), ("Pre-training", "MMCL"))
_ABLATION = (
    Row("supervised", ("ECG", MODELS["supervised"], NO, NO)),
    Row("mae", ("ECG", "MDM", YES, NO)),
    Row("mmcl_without_mdm", ("ECG", "MMCL w/o MDM", NO, YES)),
    Row("mmcl", ("ECG", "MMCL (ours)", YES, YES)),
)
_CNN = f"{MODELS['supervised_cnn']} (not in the paper)"
_CNN_ABLATION = Row("supervised_cnn", ("ECG", _CNN, NO, NO))

LAYOUTS = {
    1: Layout(
        number=1,
        roman="I",
        title="Risk of cardiovascular disease from different diagnostic modalities.",
        left=_MODALITY,
        rows=(
            Row("supervised", ("ECG",)),
            Row("tabular", ("Tabular",)),
            Row("cmr_supervised", ("CMR",)),
            Row("mmcl", ("ECG (ours)",)),
        ),
    ),
    2: Layout(
        number=2,
        roman="II",
        title="Our pre-training against a supervised model and self-supervised pre-trainings of the ECG alone.",
        left=_MODEL,
        rows=tuple(
            Row(encoder, ("ECG", MODELS[encoder]))
            for encoder in ("supervised", "simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl")
        ),
        beyond=(Row("supervised_cnn", ("ECG", _CNN)),),
    ),
    3: Layout(
        number=3,
        roman="III",
        title="Ablation of the pre-training strategy for the risk of cardiovascular disease from the ECG.",
        left=_PRETRAINING,
        rows=_ABLATION,
        beyond=(_CNN_ABLATION,),
    ),
    4: Layout(
        number=4,
        roman="IV",
        title="Ablation of the pre-training strategy for CMR imaging phenotypes from the ECG.",
        left=_PRETRAINING,
        rows=(*_ABLATION, Row("cmr_supervised", ("CMR (reference)", MODELS["cmr_supervised"], NO, NO), reference=True)),
        beyond=(_CNN_ABLATION,),
        targets=("lv", "rv", "wt", "ecc", "err"),
        targets_group="CMR imaging phenotype",
        metric="r",
        metric_name="Pearson's r, averaged over the group's phenotypes,",
        scale=1.0,
        std=False,
    ),
    5: Layout(
        number=5,
        roman="V",
        title="Ablation of the pre-training strategy for the risk of cardiovascular disease from CMR images.",
        left=_PRETRAINING,
        rows=(
            Row("cmr_supervised", ("CMR", MODELS["cmr_supervised"], NO, NO)),
            Row("cmr_mmcl_without_mdm", ("CMR", "MMCL w/o MDM", NO, YES)),
            Row("cmr_mmcl", ("CMR", "MMCL (ours)", YES, YES)),
        ),
    ),
}
