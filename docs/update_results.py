"""Rewrite the numbers and figures of docs/results.md from the finished synthetic study: `make results`.

Every block between two comments is made from files that rules wrote below results/study, the block `pilot` from
those of config/study_pilot.yaml where it was run; the text around them is not touched.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image

from cmr2ecg.metrics.predictions import STACKED, TABULAR_ALONE
from cmr2ecg.plan.check import STAGES, recorded_jobs, stage_of
from cmr2ecg.plan.jobs import ONCE_AN_ENCODER
from cmr2ecg.report.tables.names import DISEASES, TARGETS
from cmr2ecg.report.tables.names import MODELS as NAMES
from cmr2ecg.report.tables.sheet import DAGGER
from cmr2ecg.study.claims import VERDICTS
from cmr2ecg.study.targets import PHENOTYPE_GROUPS as GROUPS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"
STUDY = ROOT / "results/study"
PILOT = ROOT / "results/study_pilot"
FIGURES = ("figure_4", "figure_5", "figure_6", "labelled_subjects", "ablations")
MODELS = {
    **NAMES,
    "mmcl_shuffled": "MMCL, images shuffled",
    "mae_more_ecgs": "MAE, 11 times the ECGs",
    "mmcl_more_ecgs": "MMCL from it",
    "mmcl_pairs_400": "MMCL, 400 pairs",
    "mmcl_pairs_800": "MMCL, 800 pairs",
    TABULAR_ALONE: "age, sex, weight, height",
    **{f"{name}+tabular": f"{NAMES[name]} + these" for name in ("supervised_cnn", "mmcl")},
}
CORES = 2
HEADLINE = ("cad", "af", "dm")
EVERY = [*HEADLINE, *GROUPS]
FITTED = [*HEADLINE, "lv", "err"]  # what networks are fine-tuned for
PROBED_SIZES = (100, 30, 10, 3, 1)
NOTHING = 1e-9
Model = tuple[str, str]  # kind of fit, encoder
Pair = tuple[Model, Model]


def fitted(encoder: str) -> Model:
    """Return a fine-tuned model."""
    return "finetune", encoder


def probe(encoder: str) -> Model:
    """Return a linear probe."""
    return "probe", encoder


SCRATCH = ("supervised", "supervised_cnn")
FINE_TUNED: tuple[Pair, ...] = (
    *((fitted("mmcl"), fitted(other)) for other in (*SCRATCH, "mae")),
    *((fitted("mae"), fitted(other)) for other in SCRATCH),
)
PROBES: tuple[Pair, ...] = (
    (probe("mmcl"), probe("mae")),
    (probe("mae"), probe("random")),
    (probe("mmcl"), probe("mmcl_without_mdm")),
    *((probe("mmcl"), fitted(other)) for other in SCRATCH),
)
MORE_ECGS: tuple[Pair, ...] = (
    (probe("mae_more_ecgs"), probe("mae")),
    (probe("mmcl_more_ecgs"), probe("mae_more_ecgs")),
    (probe("mmcl"), probe("mmcl_more_ecgs")),
)
CONTROL: Pair = (probe("mmcl_shuffled"), probe("mae"))


def main() -> None:
    """Rewrite every block of the page and copy the figures."""
    text = PAGE.read_text(encoding="utf-8")
    for block, write in BLOCKS.items():
        if block != "pilot" or PILOT.exists():
            text = replaced(text, block, write())
    PAGE.write_text(text, encoding="utf-8")
    for name in FIGURES:
        with Image.open(STUDY / f"make_figure/{name}.png") as picture:  # 256 colours: a third of the bytes
            picture.convert("RGB").quantize(256).save(ROOT / f"docs/images/study_{name}.png", optimize=True)


def replaced(text: str, block: str, content: str) -> str:
    """Return the page's text with a block between its two comments replaced."""
    start, end = f"<!-- {block}: written by `make results` -->", f"<!-- end of {block} -->"
    before, rest = text.split(start)
    return f"{before}{start}\n\n{content}\n\n{end}{rest.split(end)[1]}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    marks = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (heads, marks, *rows))


def cohort() -> str:
    """Return subjects, cases and phenotypes of each split."""
    split = pd.read_csv(STUDY / "split_subjects/split.csv").set_index("eid")["split"]
    labels = pd.read_parquet(STUDY / "read_tabular/labels.parquet").set_index("eid")
    phenotypes = pd.read_parquet(STUDY / "read_tabular/phenotypes.parquet").set_index("eid")
    names = ["train", "val", "test"]
    members = {name: split.index[split == name] for name in names}
    rows = [["subjects", *(f"{len(members[name]):,}" for name in names)]]
    for disease in DISEASES:
        rows.append([TARGETS[disease], *(_cases(labels.loc[members[name], disease]) for name in names)])
    for phenotype in ("LVEDV", "LVESV", "LVEF", "LVM", "RVEDV", "WT_Global", "Ecc_Global", "Err_Global"):
        rows.append([phenotype, *(_spread(phenotypes.loc[members[name], phenotype]) for name in names)])
    return table(["", *names], rows)


def _cases(column: pd.Series) -> str:
    return f"{int(column.sum())} ({column.mean():.1%})"


def _spread(column: pd.Series) -> str:
    return f"{column.mean():.1f} ± {column.std():.1f}"


def evaluated(name: str) -> pd.DataFrame:
    """Return a table of the step evaluate."""
    return pd.read_csv(STUDY / f"evaluate/{name}.csv")


def untrained() -> set[tuple]:
    """Return the models that the evaluation marks as not trained, as (fit, encoder, target, fraction)."""
    return set(evaluated("untrained")[["fit", "encoder", "target", "fraction"]].itertuples(index=False, name=None))


def ceilings() -> str:
    """Return what models find in the planted heart, the image, the ECG's mean beat, the body, and random features."""
    models = [probe(name) for name in ("latents", "cmr_pixels", "cmr_mmcl", "ecg_beats")]
    models += [("train_tabular", "tabular"), probe("random")]
    return _scores(models, 100, EVERY)


def fine_tuned() -> str:
    """Return mean and spread over runs of every fine-tuned encoder, and of the tabular side."""
    encoders = ("supervised", "supervised_cnn", "mae", "mmcl", "cmr_supervised")
    whole = [*map(fitted, encoders), ("train_tabular", "tabular")]
    few = [*(fitted(name) for name in ("supervised", "supervised_cnn", "mae", "mmcl")), whole[-1]]
    parts = ((whole, 100, "All labels"), (few, 10, "10 % of the labels, ten draws"))
    return "\n\n".join(f"**{head}**\n\n{_scores(models, part, FITTED)}" for models, part, head in parts)


def probed() -> str:
    """Return the scores of linear probes of every ECG encoder at two sizes."""
    encoders = ("random", "mae", "mmcl_without_mdm", "mmcl", "mmcl_shuffled", "mae_more_ecgs", "mmcl_more_ecgs")
    models = [probe(name) for name in encoders]
    parts = ((100, "All labels"), (10, "10 % of the labels, ten draws"))
    return "\n\n".join(f"**{head}**\n\n{_scores(models, part, EVERY)}" for part, head in parts)


def pairs() -> str:
    """Return linear probes of MMCL by the number of pairs that it was trained on."""
    encoders = ("mae", "mmcl_pairs_400", "mmcl_pairs_800", "mmcl")
    return _scores([probe(name) for name in encoders], 100, EVERY)


def _scores(models: Sequence[Model], fraction: int, targets: Sequence[str]) -> str:
    rows = evaluated("intervals")
    rows = rows[(rows["fraction"] == fraction) & (rows["split"] == "test")].set_index(["fit", "encoder", "target"])
    marked = untrained()
    lines = []
    for model in models:
        marks = [DAGGER * ((*model, target, fraction) in marked) for target in targets]
        cells = [_score(rows, model, target) for target in targets]
        lines.append([MODELS[model[1]], *map("".join, zip(cells, marks, strict=True))])
    return table(["", *(TARGETS[target] for target in targets)], lines)


def _score(rows: pd.DataFrame, model: Model, target: str) -> str:
    if (*model, target) not in rows.index:
        return "–"
    row = rows.loc[(*model, target)]
    scale, digits = _unit(target)
    same = pd.isna(row["std"]) or row["std"] < NOTHING  # a single run, or probes of the same features
    spread = "" if same else f" ± {scale * row['std']:.{digits}f}"
    return f"{scale * row['mean']:.{digits}f}{spread}"


def _unit(target: str) -> tuple[int, int]:
    """Return factor and digits: AUROC is printed in percent."""
    return (100, 1) if target in DISEASES else (1, 3)


def compared(name: str = "comparisons") -> dict[tuple, pd.Series]:
    """Return {(first model, second model, target, fraction): its row} of a table of paired differences, both ways."""
    found = {}
    for _, row in evaluated(name).iterrows():
        first, second = (row["fit"], row["encoder"]), (row["other_fit"], row["other_encoder"])
        found[first, second, row["target"], row["fraction"]] = row
        turned = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
        found.setdefault((second, first, row["target"], row["fraction"]), pd.Series({**row, **turned}))
    return found


def differences() -> str:
    """Return the paired differences of fine-tuned models."""
    cells = [(target, part) for part in (100, 10) for target in FITTED]
    return _differences(FINE_TUNED, cells)


def probe_differences() -> str:
    """Return the paired differences of linear probes, at all sizes."""
    cells = [(target, part) for part in PROBED_SIZES for target in EVERY if part > 1 or target in DISEASES]
    return _differences(PROBES, cells)


def more_ecgs() -> str:
    """Return what masked modelling gains from ECGs without an image."""
    return _differences(MORE_ECGS, [(target, part) for part in (100, 10) for target in EVERY])


def negative() -> str:
    """Return the paired differences of MMCL on shuffled images and the MAE it started from."""
    return _differences([CONTROL], [(target, part) for part in (100, 10) for target in EVERY])


def _differences(compare: Sequence[Pair], cells: Sequence[tuple[str, int]], name: str = "comparisons") -> str:
    rows, marked = compared(name), untrained()
    mixed = len({fit for pair in compare for fit, _ in pair}) > 1
    heads = ["", *(_pair(pair, mixed) for pair in compare)]
    lines = [[_cell(*cell), *(_difference(rows, pair, cell, marked) for pair in compare)] for cell in cells]
    return table(heads, lines)


def _pair(pair: Pair, mixed: bool) -> str:
    """Return "A − B", with the kinds of fit where a table has several."""
    kinds = [{"probe": " (probe)", "finetune": " (fine-tuned)"}.get(fit, "") * mixed for fit, _ in pair]
    return " − ".join(MODELS[name] + kind for (_, name), kind in zip(pair, kinds, strict=True))


def _cell(target: str, part: int) -> str:
    return f"{TARGETS[target]}, {part} %" + ("" if target in DISEASES else ", r")


def _difference(rows: dict[tuple, pd.Series], pair: Pair, cell: tuple[str, int], marked: set[tuple]) -> str:
    row = rows.get((*pair, *cell))
    if row is None:
        return "–"
    scale, digits = _unit(cell[0])
    values = (f"{scale * row[name]:+.{digits}f}" for name in ("difference", "low", "high"))
    text = "{} [{}, {}]".format(*values).replace("-", "−")
    text = f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text
    return text + DAGGER * any((*model, *cell) in marked for model in pair)


PARTS = (("diseases, 100 %", HEADLINE, 100), ("diseases, 10 %", HEADLINE, 10))
PARTS += (("groups, 100 %", GROUPS, 100), ("groups, 10 %", GROUPS, 10))
BAR: tuple[tuple[str, str, Pair], ...] = (
    ("linear probes: MAE − random", "comparisons", PROBES[1]),
    ("linear probes: MMCL − MAE", "comparisons", PROBES[0]),
    ("the same beyond the body (partial r)", "adjusted_comparisons", PROBES[0]),
    ("linear probes: MMCL, images shuffled − MAE", "comparisons", CONTROL),
    ("fine-tuned: MMCL − MAE", "comparisons", FINE_TUNED[2]),
    ("the same beyond the body (partial r)", "adjusted_comparisons", FINE_TUNED[2]),
    ("fine-tuned: MMCL − supervised ViT", "comparisons", FINE_TUNED[0]),
    ("fine-tuned: MMCL − supervised CNN", "comparisons", FINE_TUNED[1]),
    ("the same beyond the body (partial r)", "adjusted_comparisons", FINE_TUNED[1]),
    ("linear probes: MMCL − MMCL w/o MDM", "comparisons", PROBES[2]),
    ("linear probes: MAE on 11 times the ECGs − MAE", "comparisons", MORE_ECGS[0]),
)


def bar() -> str:
    """Return in how many diseases and phenotype groups a difference's interval lies above zero, and below."""
    lines = []
    for what, name, pair in BAR:
        rows = compared(name)
        lines.append([what, f"`{name}.csv`", *(_signs(rows, pair, targets, part) for _, targets, part in PARTS)])
    return table(["interval above (below) 0", "rows in", *(head for head, *_ in PARTS)], lines)


def _signs(rows: dict[tuple, pd.Series], pair: Pair, targets: Iterable[str], part: int) -> str:
    found = [row for target in targets if (row := rows.get((*pair, target, part))) is not None]
    above, below = (sum(row[side] * sign > 0 for row in found) for side, sign in (("low", 1), ("high", -1)))
    return f"{above}{f' ({below})' * bool(below)} of {len(found)}" if found else "–"


def beyond_body() -> str:
    """Return partial r given age, sex, weight and height of fine-tuned models and probes, and its differences."""
    rows = evaluated("analyses")
    rows = rows[(rows["analysis"] == "adjusted") & (rows["fraction"] == 100)].set_index(["fit", "encoder", "target"])
    models = [fitted(name) for name in ("supervised", "supervised_cnn", "mae", "mmcl")]
    models += [probe(name) for name in ("random", "mae", "mmcl_without_mdm", "mmcl", "cmr_mmcl")]
    lines = [
        [
            MODELS[model[1]] + ", probe" * (model[0] == "probe"),
            *(_score(rows, model, target) for target in GROUPS),
        ]
        for model in models
    ]
    compare = (PROBES[0], *FINE_TUNED[:3])
    differing = _differences(
        compare, [(target, part) for part in (100, 10) for target in GROUPS], "adjusted_comparisons"
    )
    return f"{table(['', *(TARGETS[target] for target in GROUPS)], lines)}\n\n{differing}"


def added() -> str:
    """Return what an ECG adds to age, sex, weight and height."""
    rows = evaluated("intervals")
    rows = rows[(rows["fraction"] == 100) & (rows["split"] == "test")].set_index(["fit", "encoder", "target"])
    stacks = [(STACKED, f"{name}+tabular") for name in ("supervised_cnn", "mmcl")]
    alone = (STACKED, TABULAR_ALONE)
    lines = [[MODELS[model[1]], *(_score(rows, model, target) for target in FITTED)] for model in (alone, *stacks)]
    found, marked = compared(), untrained()
    for stack in stacks:
        cells = [_difference(found, (stack, alone), (target, 100), marked) for target in FITTED]
        lines.append([f"added by {NAMES[stack[1].removesuffix('+tabular')]}", *cells])
    return table(["", *(TARGETS[target] for target in FITTED)], lines)


def pretrained() -> str:
    """Return loss and retrieval on validation pairs of the contrastive pre-trainings, means over their seeds."""
    lines = []
    for name in ("mmcl", "mmcl_without_mdm", "mmcl_more_ecgs", "mmcl_pairs_800", "mmcl_pairs_400", "mmcl_shuffled"):
        folders = sorted(STUDY.glob(f"pretrain_mmcl/{name}/result.json"))
        folders += sorted(STUDY.glob(f"pretrain_mmcl/{name}_seed_*/result.json"))
        results = [json.loads(path.read_text()) for path in folders]
        seen = pd.DataFrame([result["validation"] for result in results]).mean()
        ranks = [f"{seen[f'ecg_to_cmr_{key}']:.1%} ({seen[f'chance_{key}']:.1%})" for key in ("r1", "r5", "r10")]
        median = f"{seen['ecg_to_cmr_median_rank']:.0f} ({seen['chance_median_rank']:.0f})"
        chance = chance_loss(results[0]["n_val"], results[0]["settings"]["method"]["batch_size"])
        lines.append([MODELS[name], len(results), f"{seen['loss']:.3f} ({chance:.3f})", *ranks, median])
    return table(["", "seeds", "loss", "R@1", "R@5", "R@10", "median rank"], lines)


def chance_loss(subjects: int, batch: int) -> float:
    """Return the contrastive loss of projections that know nothing, ln of each batch's size averaged over subjects."""
    sizes = [min(batch, subjects - start) for start in range(0, subjects, batch)]
    return sum(size * math.log(size) for size in sizes) / subjects


def heatmap() -> str:
    """Return the similarity map's share inside the left ventricle and the infarct beside its null."""
    rows = pd.read_csv(STUDY / "score_heatmap/heatmap.csv")
    lines = [
        [
            f"{MODELS[row.model]}: {row.measure.replace('_', ' ')}",
            f"{row.value:.4f} [{row.low:.4f}, {row.high:.4f}]",
            f"{row.null_mean:.4f} [{row.null_low:.4f}, {row.null_high:.4f}]",
            f"{row.p:.3f}",
            row.n,
        ]
        for row in rows.itertuples()
        if row.model in MODELS
    ]
    return table(["", "value", "pairs dealt anew", "p", "n"], lines)


def claims() -> str:
    """Return the paper's claims that this study can speak to."""
    rows = pd.read_csv(STUDY / "make_table/table_claims.csv").dropna(subset=["difference"])
    names = rows[["better", "worse"]].replace(MODELS)
    relation = rows["kind"].map({"above": " > ", "level": " at the level of "})
    rows["shown"] = rows["section"] + ": " + names["better"] + relation + names["worse"]
    verdicts = [verdict for verdict in VERDICTS if verdict != "not run"]
    lines = [
        [shown, *(", ".join(_claimed(group, verdict)) or "–" for verdict in verdicts)]
        for shown, group in rows.groupby("shown", sort=False)
    ]
    return table(["claim", *verdicts], lines)


def _claimed(group: pd.DataFrame, verdict: str) -> list[str]:
    rows = group[group["verdict"] == verdict]
    return [
        f"{TARGETS[row.target]} {row.fraction} %" if row.target in DISEASES else TARGETS[row.target]
        for row in rows.itertuples()
    ]


def marks() -> str:
    """Return the models that are marked as not trained, by reason."""
    rows = evaluated("untrained")
    rows = rows[rows["fit"].isin(["finetune", "probe"])]
    if rows.empty:
        return "No model is marked."
    rows = rows.assign(size=rows["fraction"].astype(str) + " %", model=rows["encoder"].map(MODELS))
    lines = [
        [f"{model}, {fit}, {size}", ", ".join(TARGETS[target] for target in group["target"]), group["reason"].iloc[0]]
        for (model, fit, size), group in rows.groupby(["model", "fit", "size"], sort=False)
    ]
    return table(["model", "targets", "the first one's reason"], lines)


def pilot() -> str:
    """Return the validation scores of the pilot's trials."""
    lines, rates = [], []
    for encoder in ("supervised", "supervised_cnn", "mae", "mmcl"):
        trials = pd.read_csv(PILOT / f"sweep/{encoder}/lv/trials.csv").set_index("base_lr")["score"].sort_index()
        rates = [f"{rate:.0e}" for rate in trials.index]
        cells = [f"**{score:.3f}**" if score == trials.max() else f"{score:.3f}" for score in trials]
        lines.append([MODELS[encoder], *cells])
    return table(["base learning rate", *rates], lines)


def costs() -> str:
    """Return the core-minutes of every stage from the times Snakemake noted of its jobs: all, and the headline's."""
    threads = yaml.safe_load((ROOT / "config/study.yaml").read_text())["threads"]
    stages: dict[str, list[float]] = {}
    for (rule, log), seconds in recorded_jobs(ROOT, "results/study/").items():
        minutes = stages.setdefault(stage_of(ONCE_AN_ENCODER.sub(r"\1", rule)), [0.0, 0.0])
        spent = seconds / 60 * threads.get(rule, 1)  # every other rule's jobs have one thread here
        minutes[0] += spent
        minutes[1] += spent * of_headline(log.removeprefix("results/study/logs/"))
    lines = [[stage, *(f"{value:.1f}" for value in stages[stage])] for stage in (*STAGES, "other") if stage in stages]
    whole = [sum(values) for values in zip(*stages.values(), strict=True)]
    lines.append(["all", *(f"{value:.1f}" for value in whole)])
    lines.append([f"minutes of {CORES} cores", *(f"{value / CORES:.0f}" for value in whole)])
    return table(["core-minutes", "everything", "headline"], lines)


def of_headline(log: str) -> bool:
    """Return whether a job is of the headline by its log: a pre-training of each kind, probes, diseases."""
    names = [part.removesuffix(".log") for part in log.split("/")]
    if any(name.startswith(("mmcl_", "mae_")) and name != "mmcl_without_mdm" for name in names) or "seed_" in log:
        return False
    step, *place = names
    return step != "finetune" or (place[0] != "cmr_supervised" and any(name in HEADLINE for name in place[1:]))


BLOCKS: dict[str, Callable[[], str]] = {
    "bar": bar,
    "cohort": cohort,
    "ceilings": ceilings,
    "pretrained": pretrained,
    "probed": probed,
    "probe_differences": probe_differences,
    "beyond_body": beyond_body,
    "fine_tuned": fine_tuned,
    "differences": differences,
    "added": added,
    "pairs": pairs,
    "more_ecgs": more_ecgs,
    "negative": negative,
    "heatmap": heatmap,
    "claims": claims,
    "marks": marks,
    "pilot": pilot,
    "costs": costs,
}

if __name__ == "__main__":
    main()
