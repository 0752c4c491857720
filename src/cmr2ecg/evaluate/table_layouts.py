"""The paper's tables as data: which models stand in which row, under which headings."""

from dataclasses import dataclass

from cmr2ecg.evaluate.names import MODELS

YES, NO = "✓", "✗"


@dataclass(frozen=True)
class Row:
    """A model and the words that describe it, one for each heading on the left of the table."""

    encoder: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """A table of the paper: `left` holds (group, heading) pairs, `targets` the columns of numbers."""

    number: int
    roman: str
    title: str
    left: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    targets: tuple[str, ...] = ("cad", "af", "dm")
    targets_group: str = "Cardiovascular disease"
    metric: str = "auroc"
    metric_name: str = "ROC AUC [%]"
    scale: float = 100.0  # from 0..1 to percent
    digits: int = 2
    fraction: int = 100


_MODALITY = (("", "Modality"),)
_PRETRAINING = (*_MODALITY, ("", "Model"), ("Pre-training", "MDM"), ("Pre-training", "MMCL"))

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
    3: Layout(
        number=3,
        roman="III",
        title="Ablation of the pre-training strategy for the risk of cardiovascular disease from the ECG.",
        left=_PRETRAINING,
        rows=(
            Row("supervised", ("ECG", MODELS["supervised"], NO, NO)),
            Row("mae", ("ECG", "MDM", YES, NO)),
            Row("mmcl_without_mdm", ("ECG", MODELS["mmcl_without_mdm"], NO, YES)),
            Row("mmcl", ("ECG", MODELS["mmcl"], YES, YES)),
        ),
    ),
}
