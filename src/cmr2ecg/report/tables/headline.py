"""The headline of a study: MMCL, the MAE and no pre-training, fine-tuned with all and with few labels, and probed.

In a cohort of ECGs alone, which has no MMCL, the MAE takes its place.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.headline_words import sentences
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import DAGGER, DASH, WHOLE, Daggers, Sheet, Tables, interval, scaled
from cmr2ecg.report.tables.table_layouts import in_order

FINE_TUNED = ("supervised", "supervised_cnn", "mae", "mmcl")
PROBED = ("random", "mae", "mmcl")
FEWEST = 1  # percent; so few labels are left out: at 1 % most studies have a handful of cases
KEY = [*MODEL_COLUMNS, "other_fit", "other_encoder"]
ENDS = ("value", "low", "high")
COLUMNS = ["fraction", "target", "fit", "encoder", "other_fit", "other_encoder", "metric", *ENDS, "marked", "macro"]
MARK = "not trained"
RULE = "Above and below are by the 95 % interval of the difference."
SHORT = {"mmcl": "MMCL"}
COMPARED = {  # the model that the others are compared with -> fit -> those others
    "mmcl": {"finetune": ("supervised", "supervised_cnn", "mae"), "probe": ("mae",)},
    "mae": {"finetune": ("supervised", "supervised_cnn"), "probe": ("random",)},
}
TEXT_TITLE = "Headline: ROC AUC in percent or mean r on the test split; fine-tuned with all or few labels"
CELL = 8  # characters of a column in plain text, "+12.3*†" and a space


@dataclass(frozen=True)
class Block:
    """The models of one kind of fit and one size of the training set; `ours` is compared with `others`."""

    fit: str
    fraction: int
    encoders: Sequence[str]
    ours: str
    others: Sequence[str]

    @property
    def title(self) -> str:
        """What the block is called."""
        return "Linear probes" if self.fit == "probe" else f"Fine-tuned, {self.fraction} %"


def headline(tables: Tables) -> Sheet:
    """Return the headline: models and MMCL's paired differences by target, and the rule's sentences in the caption."""
    data = headline_data(tables)
    ours = name_of(compared(tables["intervals"]))
    head, rows = wide(data, with_interval)
    title = (
        "The headline: encoders fine-tuned with all and with few labels, and linear probes of frozen encoders. ROC AUC "
        f"in percent or mean r on the test split with 95 % intervals, and paired differences of {ours} (percentage "
        f"points or r). {RULE} {' '.join(sentences(data))}"
    )
    return Sheet(title, head, rows, data, left=2)


def headline_data(tables: Tables) -> pd.DataFrame:
    """Return COLUMNS: a row a model, or a difference of MMCL and another model, and target.

    Values are those of the step evaluate (AUROC from 0 to 1); `marked` says of a model, or of either of two, that it
    was not trained, `macro` of a target that it is the mean over several diseases, which sentences do not count.
    """
    scores = tables["intervals"].query("split == 'test'").rename(columns={"mean": "value"})
    macro = set(scores.loc[(scores["metric"] == "auroc") & scores["n_positive"].isna(), "target"])
    scores = scores.assign(other_fit="", other_encoder="")
    pairs = tables["comparisons"].rename(columns={"difference": "value"})
    found = pd.concat([scores.reindex(columns=COLUMNS), pairs.reindex(columns=COLUMNS)]).fillna({"marked": ""})
    rows = [_of_block(found, block) for block in blocks(scores)]
    data = pd.concat([found.head(0), *rows], ignore_index=True)
    daggers = Daggers(tables)
    data["macro"] = data["target"].isin(macro)
    data["marked"] = [MARK if _is_marked(row, daggers) else "" for row in data[KEY].itertuples(index=False)]
    return data


def blocks(scores: pd.DataFrame) -> list[Block]:
    """Return all labels, the smallest share above 1 % that was fine-tuned, if any, and the probes."""
    tuned = scores[(scores["fit"] == "finetune") & scores["encoder"].isin(FINE_TUNED)]
    small = sorted({int(part) for part in tuned["fraction"] if FEWEST < part < WHOLE})[:1]
    ours = compared(scores)
    sizes = [Block("finetune", part, FINE_TUNED, ours, COMPARED[ours]["finetune"]) for part in (WHOLE, *small)]
    return [*sizes, Block("probe", WHOLE, PROBED, ours, COMPARED[ours]["probe"])]


def name_of(ours: str) -> str:
    """Return what a sentence calls the model that the others are compared with."""
    return SHORT.get(ours, f"the {MODELS[ours]}")


def compared(scores: pd.DataFrame) -> str:
    """Return the model that the others are compared with: MMCL, or without it the MAE if there is one."""
    return next((name for name in COMPARED if name in {*scores["encoder"]}), "mmcl")


def wide(data: pd.DataFrame, cell: Callable[[pd.Series], str]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows with a column a target, each number written by `cell`, which takes a row of the data."""
    targets = [target for target in in_order(data["target"]) if target in set(data["target"])]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for _, row in data.iterrows():
        rows.setdefault(names_of(row), {})[row["target"]] = cell(row) if pd.notna(row["value"]) else DASH
    head = ["Fit, labels", "Model", *(TARGETS[target] for target in targets)]
    return head, [[*names, *(cells.get(target, DASH) for target in targets)] for names, cells in rows.items()]


def names_of(row: pd.Series) -> tuple[str, str]:
    """Return what a row of the data is of: its block's title, and the model or the difference."""
    first, second = row["encoder"], row["other_encoder"]
    model = f"{SHORT.get(first, MODELS[first])} minus {MODELS[second]}" if second else MODELS[first]
    return Block(row["fit"], row["fraction"], (), "", ()).title, model


def with_interval(row: pd.Series) -> str:
    """Return a number with its 95 % interval and its dagger, a difference with its sign."""
    digits = 1 if row["metric"] == "auroc" else 2
    text = interval(scaled(row, ENDS), digits=digits, sign="+" if row["other_encoder"] else "")
    return text + DAGGER * bool(row["marked"])


def plain_text(data: pd.DataFrame, width: int = 100) -> list[str]:
    """Return the headline for a terminal: a column a target without intervals, then the sentences.

    Targets that do not fit beside each other follow below.
    """
    if data.empty:
        return []
    (_, _, *targets), rows = wide(data, without_interval)
    label = 2 + max(len(_short(model)) for _, model, *_ in rows)
    wide_as = max([CELL, *(len(name) + 1 for name in targets)])
    at_once = max(1, (width - label) // wide_as)
    lines = textwrap.wrap(TEXT_TITLE, width)
    for start in range(0, len(targets), at_once):
        part = slice(start, start + at_once)
        lines.append(" " * label + "".join(f"{name:>{wide_as}}" for name in targets[part]))
        for title, members in groupby(rows, key=lambda row: row[0]):
            lines.append(title)
            for _, model, *cells in members:
                lines.append(f"  {_short(model)}".ljust(label) + "".join(f"{cell:>{wide_as}}" for cell in cells[part]))
    legend = f"*: 95 % interval of the difference without 0, which the sentences count; {DAGGER}: not trained."
    return [*lines, *(line for said in (legend, *sentences(data)) for line in textwrap.wrap(said, width))]


def without_interval(row: pd.Series) -> str:
    """Return a number with its dagger, a difference with its sign and an asterisk where its interval lacks zero."""
    digits, other = 1 if row["metric"] == "auroc" else 2, bool(row["other_encoder"])
    sure = other and (row["low"] > 0 or row["high"] < 0)
    return f"{scaled(row, ['value'])[0]:{'+' * other}.{digits}f}" + "*" * bool(sure) + DAGGER * bool(row["marked"])


def _short(model: str) -> str:
    return model.removesuffix(" (ours)").replace(" minus ", " - ")


def _of_block(found: pd.DataFrame, block: Block) -> pd.DataFrame:
    """Return a block's rows, models first, each over all its targets."""
    here = found[(found["fit"] == block.fit) & (found["fraction"] == block.fraction)]
    parts = [_by_target(here[(here["encoder"] == name) & (here["other_encoder"] == "")]) for name in block.encoders]
    paired = here[(here["encoder"] == block.ours) & (here["other_fit"] == block.fit)]
    return pd.concat([*parts, *(_by_target(paired[paired["other_encoder"] == name]) for name in block.others)])


def _by_target(rows: pd.DataFrame) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(in_order(rows["target"]))}
    return rows.sort_values("target", key=lambda column: column.map(order), kind="stable")


def _is_marked(key: Sequence, daggers: Daggers) -> bool:
    """Return whether a model, or either of two, was not trained; key: the columns KEY."""
    fit, encoder, target, fraction, other_fit, other_encoder = key
    return bool(daggers(fit, encoder, target, fraction) or daggers(other_fit, other_encoder, target, fraction))
