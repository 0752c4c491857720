"""Tables beyond the paper's five: every phenotype, claims, tests, controls, added value, calibration, subgroups.

Each is a function of the tables that the step evaluate wrote; it returns what is printed, and the numbers behind it.
"""

from collections.abc import Callable, Sequence

import pandas as pd

from cmr2ecg.metrics.predictions import fit_of
from cmr2ecg.report.maps.heatmap import INFARCT
from cmr2ecg.report.tables.added_value import added_value
from cmr2ecg.report.tables.beyond_body import beyond_body
from cmr2ecg.report.tables.claims_table import claims_table
from cmr2ecg.report.tables.fine_tuned import fine_tuned
from cmr2ecg.report.tables.headline import SHORT, compared, headline
from cmr2ecg.report.tables.label_efficiency import label_efficiency
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import DASH, WHOLE, Daggers, Sheet, Tables, interval, number, p_value, scaled
from cmr2ecg.report.tables.table_layouts import in_order
from cmr2ecg.tables.phenotypes import phenotype_table

TABLE_IV = ("supervised", "mae", "mmcl_without_mdm", "mmcl", "cmr_supervised", "supervised_cnn")
BEYOND = ("supervised_cnn",)  # not in the paper: a column only where it was fitted


def every_phenotype(tables: Tables) -> Sheet:
    """Return r of all 61 phenotypes for the models of table IV (§IV-B, §V-C)."""
    metrics = tables["metrics"]
    chosen = metrics[(metrics["split"] == "test") & (metrics["metric"] == "r") & (metrics["fit"] == "finetune")]
    models = [name for name in TABLE_IV if name not in BEYOND or name in set(chosen["encoder"])]
    chosen = chosen[(chosen["fraction"] == WHOLE) & chosen["encoder"].isin(models)]
    mean = chosen.pivot_table(index="output", columns="encoder", values="value", aggfunc=lambda v: v.mean(skipna=False))
    known = chosen.groupby("output")["n"].max()
    phenotypes = phenotype_table().set_index("bai_name")
    data = phenotypes[["group", "field_id", "ukb_title", "units"]].join(mean.reindex(columns=models))
    data.insert(4, "n", known.reindex(data.index).fillna(0).astype(int))
    daggers = Daggers(tables)
    rows = []
    for _, row in data.iterrows():
        marks = [daggers("finetune", encoder, row["group"], WHOLE) for encoder in models]
        numbers = [number(value) + mark for value, mark in zip(row[models], marks, strict=True)]
        rows.append([TARGETS[row["group"]], row["ukb_title"], row["units"], str(row["n"]), *numbers])
    head = ["Group", "Phenotype", "Unit", "n", *(MODELS[name] for name in models)]
    title = (
        "Pearson's r of each of the 61 phenotypes on the test split, mean over seeds; n: test subjects with a value."
    )
    return Sheet(title, head, rows, data.reset_index(names="phenotype"), left=3)


OF_INFARCTS = (
    " Infarct: of the subjects who have one, the same inside the infarcted segment, contrast with the remote "
    "myocardium; pairs are shuffled among these subjects."
)


def heatmap(tables: Tables) -> Sheet:
    """Return how far the similarity maps fall on the left ventricle, against shuffled pairs (§III-C, §V-E)."""
    data = tables["heatmap"]
    head = ["Model", "Measure", "Value [95 %]", "Flat map", "Shuffled pairs [95 %]", "p", "n", "Map"]
    rows = []
    for _, row in data.iterrows():
        own, null = (
            interval(row[list(names)], digits=3)
            for names in (("value", "low", "high"), ("null_mean", "null_low", "null_high"))
        )
        where = row["map"] if isinstance(row["map"], str) else DASH
        tests = [number(row["flat"], 3), null, p_value(row["p"]), str(row["n"]), where]
        rows.append([str(row["model"]), str(row["measure"]).replace("_", " "), own, *tests])
    title = (
        "Similarity of ECG and image inside the left ventricle on the test split: share of positive similarity, how "
        "often the most similar place is the ventricle's (pointing), mean similarity inside, and that less the mean "
        "outside (contrast). Shuffled: ECGs paired with other subjects' images; p is one-sided, and of a difference "
        "two-sided (paired t test)."
    )
    title += OF_INFARCTS * bool(data["measure"].isin(INFARCT.values()).any())
    return Sheet(title, head, rows, data, left=2)


def retrieval(tables: Tables) -> Sheet:
    """Return how often ECG and image of a subject find each other among all test subjects, against permuted pairs."""
    data = tables["retrieval"]
    head = ["Model", "Query", "Measure", "Value [95 %]", "Chance", "Permuted pairs [95 %]", "p", "n"]
    rows = []
    for _, row in data.iterrows():
        of_rank = row["measure"] == "median_rank"
        scale, digits = (1, 1) if of_rank else (100, 2)
        own, null = (
            interval(scale * row[list(names)], digits)
            for names in (("value", "low", "high"), ("null_mean", "null_low", "null_high"))
        )
        measure = "median rank" if of_rank else f"R@{row['measure'].removeprefix('r')} [%]"
        words = [MODELS[row["model"]], row["direction"].split("_")[0].upper(), measure]
        rows.append([*words, own, number(scale * row["chance"], digits), null, p_value(row["p"]), str(row["n"])])
    title = (
        "Retrieval on the test split: how often a subject's own image is among the 1, 5 or 10 of all test subjects "
        "most similar to the ECG (R@k), and the median rank of the own image; with the image as query, of the own ECG. "
        "Similarity: cosine of MMCL's projections. Intervals over subjects: Wilson's of R@k, order statistics of the "
        "median. Permuted: pairs shuffled between subjects; p is one-sided."
    )
    return Sheet(title, head, rows, data, left=3)


def comparisons(tables: Tables) -> Sheet:
    """Return the paired tests of every fine-tuned model against MMCL, or else the MAE, at the whole training set."""
    data = tables["comparisons"]
    ours = compared(tables["intervals"])
    name = SHORT.get(ours, MODELS[ours])
    shown = data[(data["family"] == f"finetune/{WHOLE}") & (data["fraction"] == WHOLE)]
    rows, daggers = [], Daggers(tables)
    for _, row in shown.iterrows():
        where = row["target"], row["fraction"]
        target = TARGETS[row["target"]] + daggers(row["fit"], row["encoder"], *where)
        other = MODELS[row["other_encoder"]] + daggers(row["other_fit"], row["other_encoder"], *where)
        ours = interval(scaled(row, ("difference", "low", "high")), sign="+")
        tests = [p_value(row[name]) for name in ("p_value_holm", "p_delong_holm")]
        rows.append([target, other, ours, *tests])
    title = (
        f"{name} minus every other model on the test split (percentage points of ROC AUC, or r) with its 95 % "
        "interval, and two-sided p-values, corrected by Holm's method within a target: over subjects and training runs "
        "(Obuchowski-Rockette analysis), and DeLong's, which is about these trained models alone. A dagger at the "
        f"target is that of {name}."
    )
    head = ["Target", f"{name} minus", "Difference [95 %]", "p", "p, DeLong"]
    return Sheet(title, head, rows, data, left=2)


def controls(tables: Tables) -> Sheet:
    """Return linear probes of frozen encoders, the random one among them, and the tabular model, on every target."""
    data = tables["intervals"]
    probes = data["fit"] == "probe"
    data = data[(probes | (data["fit"] == "train_tabular")) & (data["fraction"] == WHOLE)]
    targets = in_order(data["target"])
    rows, daggers = [], Daggers(tables)
    for _, models in data.groupby(["fit", "encoder"], sort=False):
        fit, encoder = models.iloc[0][["fit", "encoder"]]
        by_target = {row["target"]: row for _, row in models.iterrows()}
        kind = "linear probe" if fit == "probe" else "trees on age, sex, weight, height"
        cells = [
            _interval_cell(by_target[name]) + daggers(fit, encoder, name, WHOLE) if name in by_target else DASH
            for name in targets
        ]
        rows.append([MODELS[encoder], kind, *cells])
    title = (
        "Controls: linear probes of frozen encoders (`random`: never trained) and the tabular model. ROC AUC in "
        "percent for diseases, mean r for phenotype groups, with 95 % intervals."
    )
    return Sheet(title, ["Encoder", "Model", *(TARGETS[name] for name in targets)], rows, data, left=2)


def calibration(tables: Tables) -> Sheet:
    """Return AUPRC, Brier score, slope and intercept of every fine-tuned model, the prior put right."""
    data = tables["calibration"]
    shown = data[(data["fit"] != "probe") & (data["fraction"] == WHOLE)]
    names = ("auprc", "brier", "brier_of_prevalence", "slope", "intercept")
    digits = (3, 4, 4, 2, 2)
    daggers = Daggers(tables)
    rows = [
        [
            TARGETS[row["target"]],
            MODELS[row["encoder"]] + daggers(row["fit"], row["encoder"], row["target"], WHOLE),
            *(number(row[name], places) for name, places in zip(names, digits, strict=True)),
        ]
        for _, row in shown.iterrows()
    ]
    title = (
        "Risks after label smoothing was undone and the prior of the balanced training set corrected to the train "
        "split's prevalence, mean over seeds. Slope 1 and intercept 0: risks mean what they say. Brier score: lower "
        "is better than that of the prevalence alone."
    )
    head = ["Disease", "Model", "AUPRC", "Brier", "Brier of prevalence", "Slope", "Intercept"]
    return Sheet(title, head, rows, data, left=2)


def subgroups(tables: Tables) -> Sheet:
    """Return the metric by sex and age band."""
    title = "Test split by sex and age at the visit: ROC AUC in percent or mean r, with 95 % intervals."
    return _analysis(tables, ("sex", "age"), title)


def onset(tables: Tables) -> Sheet:
    """Return the AUROC of the healthy against cases recorded before and after the visit."""
    title = (
        "Cases first recorded up to the imaging visit (prevalent) and after it (incident), each against the test "
        "subjects without the disease: ROC AUC in percent with 95 % intervals. Cases without a date are in "
        "neither."
    )
    return _analysis(tables, ("onset",), title)


SUPPLEMENTS: dict[str, Callable[[Tables], Sheet]] = {
    "iv_per_phenotype": every_phenotype,
    "claims": claims_table,
    "comparisons": comparisons,
    "controls": controls,
    "added_value": added_value,
    "calibration": calibration,
    "subgroups": subgroups,
    "adjusted": beyond_body,
    "onset": onset,
    "heatmap": heatmap,
    "retrieval": retrieval,
    "label_efficiency": label_efficiency,
    "fine_tuned": fine_tuned,
    "headline": headline,
}


def _analysis(tables: Tables, kinds: Sequence[str], title: str) -> Sheet:
    """Return one line a fine-tuned model and target, one column a group."""
    data = tables["analyses"]
    data = data[data["analysis"].isin(kinds)]
    shown = data[(data["fit"] != "probe") & (data["fraction"] == WHOLE)]
    groups = list(dict.fromkeys(shown["group"]))
    rows, daggers = [], Daggers(tables)
    for _, models in shown.groupby(["target", "encoder"], sort=False):
        target, encoder = models.iloc[0][["target", "encoder"]]
        by_group = {row["group"]: row for _, row in models.iterrows()}
        cells = [_interval_cell(by_group[name]) if name in by_group else DASH for name in groups]
        mark = daggers(fit_of(encoder), encoder, target, WHOLE)
        rows.append([TARGETS[target], MODELS[encoder] + mark, *cells])
    return Sheet(title, ["Target", "Model", *groups], rows, data, left=2)


def _interval_cell(row: pd.Series) -> str:
    return interval(scaled(row, ("mean", "low", "high")), digits=1 if row["metric"] == "auroc" else 2)
