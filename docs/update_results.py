"""Rewrite the numbers and figures of docs/results.md from the finished synthetic study: `make results`.

Every block between two comments is made from files that rules wrote below results/study; the text around them is not
touched.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image

from cmr2ecg.evaluate.tables.claims import VERDICTS
from cmr2ecg.evaluate.tables.names import DISEASES, TARGETS
from cmr2ecg.evaluate.tables.names import MODELS as NAMES
from cmr2ecg.plan.check import STAGES, recorded_jobs, stage_of
from cmr2ecg.plan.jobs import ONCE_AN_ENCODER
from cmr2ecg.ukb.phenotypes import GROUPS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"
STUDY = ROOT / "results/study"
FIGURES = ("figure_4", "figure_5", "figure_6", "ablations")
MODELS = {**NAMES, "mmcl_shuffled": "MMCL, images shuffled", "mmcl_shuffled_once": "MMCL, shuffled once"}
CONTROLS = ("mmcl_shuffled", "mmcl_shuffled_once")
CORES = 2
HEADLINE = ("cad", "af", "dm")
WHOLE_GROUPS = [(group, 100) for group in GROUPS]


def main() -> None:
    """Rewrite every block of the page and copy the figures."""
    text = PAGE.read_text(encoding="utf-8")
    for block, write in BLOCKS.items():
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


def scored(fit: str, fraction: int) -> pd.DataFrame:
    """Return the rows of intervals.csv of one kind of fit at one training size, by encoder and target."""
    rows = pd.read_csv(STUDY / "evaluate/intervals.csv")
    rows = rows[(rows["fit"] == fit) & (rows["fraction"] == fraction) & (rows["split"] == "test")]
    return rows.set_index(["encoder", "target"])


def ceilings() -> str:
    """Return what linear models find in the planted heart, the image, the ECG's mean beat and random features."""
    return _scores("probe", 100, ("latents", "cmr_pixels", "ecg_beats", "random"), [*HEADLINE, *GROUPS])


def fine_tuned() -> str:
    """Return mean and spread over seeds of every fine-tuned encoder."""
    encoders = ("supervised", "mae", "mmcl_without_mdm", "mmcl", *CONTROLS)
    parts = [f"**All labels**\n\n{_scores('finetune', 100, encoders, [*HEADLINE, *GROUPS])}"]
    parts += [f"**{part} % of the positives**\n\n{_scores('finetune', part, encoders, HEADLINE)}" for part in (10, 1)]
    return "\n\n".join(parts)


def probed() -> str:
    """Return the scores of linear probes of every encoder."""
    encoders = ("random", "mae", "mmcl_without_mdm", "mmcl", *CONTROLS)
    parts = [f"**All labels**\n\n{_scores('probe', 100, encoders, [*HEADLINE, *GROUPS])}"]
    parts += [f"**{part} % of the positives**\n\n{_scores('probe', part, encoders, HEADLINE)}" for part in (10, 1)]
    return "\n\n".join(parts)


def _scores(fit: str, fraction: int, encoders: Sequence[str], targets: Sequence[str]) -> str:
    rows = scored(fit, fraction)
    lines = [[MODELS[encoder], *(_score(rows, encoder, target) for target in targets)] for encoder in encoders]
    return table(["", *(TARGETS[target] for target in targets)], lines)


def _score(rows: pd.DataFrame, encoder: str, target: str) -> str:
    if (encoder, target) not in rows.index:
        return "–"
    row = rows.loc[(encoder, target)]
    scale, digits = (100, 1) if target in DISEASES else (1, 3)
    spread = "" if pd.isna(row["std"]) or row["n_seeds"] == 1 else f" ± {scale * row['std']:.{digits}f}"
    return f"{scale * row['mean']:.{digits}f}{spread}"


FITTED = (("finetune", "mmcl", "finetune", "supervised"), ("finetune", "mmcl", "finetune", "mae"))
FITTED += (("finetune", "mae", "finetune", "supervised"), ("finetune", "mmcl", "finetune", "mmcl_without_mdm"))
PROBED = (("probe", "mmcl", "finetune", "supervised"), ("probe", "mmcl", "probe", "mae"))
PROBED += (("probe", "mae", "probe", "random"), ("probe", "mmcl", "probe", "mmcl_without_mdm"))
SHUFFLED = {
    fit: (*((fit, control, fit, "mae") for control in CONTROLS), (fit, "mmcl", fit, "mmcl_shuffled_once"))
    for fit in ("finetune", "probe")
}


def compared() -> pd.DataFrame:
    """Return comparisons.csv by the two models, target and training size."""
    rows = pd.read_csv(STUDY / "evaluate/comparisons.csv")
    return rows.set_index(["fit", "encoder", "other_fit", "other_encoder", "target", "fraction"]).sort_index()


def differences() -> str:
    """Return the paired differences of the positive control."""
    return f"**Fine-tuned**\n\n{_differences(FITTED)}\n\n**Linear probes**\n\n{_differences(PROBED)}"


def _differences(pairs: Sequence[tuple[str, str, str, str]]) -> str:
    rows = compared()
    cells = [(target, part) for part in (100, 10, 1) for target in HEADLINE] + WHOLE_GROUPS
    heads = ["", *(_pair(pair) for pair in pairs)]
    lines = [
        [_cell(target, part), *(_difference(rows, pair, target, part) for pair in pairs)] for target, part in cells
    ]
    return table(heads, lines)


def _pair(pair: tuple[str, str, str, str]) -> str:
    """Return "A − B", with the kind of fit where the two differ."""
    kinds = ["", ""] if pair[0] == pair[2] else [" (probe)", " (fine-tuned)"]
    return f"{MODELS[pair[1]]}{kinds[0]} − {MODELS[pair[3]]}{kinds[1]}"


def _cell(target: str, part: int) -> str:
    return f"{TARGETS[target]}, {part} %" if target in DISEASES else f"{TARGETS[target]}, r"


def _difference(rows: pd.DataFrame, pair: tuple[str, str, str, str], target: str, part: int) -> str:
    if (*pair, target, part) not in rows.index:
        return "–"
    row = rows.loc[(*pair, target, part)]
    scale, digits = (100, 1) if target in DISEASES else (1, 3)
    values = (f"{scale * row[name]:+.{digits}f}" for name in ("difference", "low", "high"))
    text = "{} [{}, {}]".format(*values).replace("-", "−")
    return f"**{text}**" if row["low"] > 0 else text


def bar() -> str:
    """Return on how many diseases and phenotype groups a model lies above the other, interval and all."""
    rows = compared()
    lines = [
        [what, _above(rows, pair, [(disease, 10) for disease in HEADLINE]), _above(rows, pair, WHOLE_GROUPS)]
        for what, pair in (
            ("MMCL − supervised, both fine-tuned", FITTED[0]),
            ("linear probe of MMCL − supervised, fine-tuned", PROBED[0]),
            ("negative control: MMCL, images shuffled − MAE, both fine-tuned", SHUFFLED["finetune"][0]),
            ("negative control: MMCL, images shuffled − MAE, linear probes", SHUFFLED["probe"][0]),
            ("MMCL, shuffled once − MAE, both fine-tuned", SHUFFLED["finetune"][1]),
            ("MMCL, shuffled once − MAE, linear probes", SHUFFLED["probe"][1]),
            ("MMCL − MMCL, shuffled once, both fine-tuned", SHUFFLED["finetune"][2]),
        )
    ]
    return table(["interval above 0", "diseases, 10 % of the positives", "phenotype groups"], lines)


def _above(rows: pd.DataFrame, pair: tuple[str, str, str, str], cells: Sequence[tuple[str, int]]) -> str:
    found = [rows.loc[(*pair, *cell), "low"] > 0 for cell in cells if (*pair, *cell) in rows.index]
    return f"{sum(found)} of {len(found)}"


def pretrained() -> str:
    """Return loss and retrieval on validation pairs of the contrastive pre-trainings."""
    lines = []
    for name in ("mmcl", "mmcl_without_mdm", *CONTROLS):
        result = json.loads((STUDY / f"pretrain_mmcl/{name}/result.json").read_text())
        seen = result["validation"]
        ranks = [f"{seen[f'ecg_to_cmr_{key}']:.1%} ({seen[f'chance_{key}']:.1%})" for key in ("r1", "r5", "r10")]
        median = f"{seen['ecg_to_cmr_median_rank']:.0f} ({seen['chance_median_rank']:.0f})"
        chance = chance_loss(result["n_val"], result["settings"]["method"]["batch_size"])
        lines.append([MODELS[name], f"{seen['loss']:.3f} ({chance:.3f})", *ranks, median])
    return table(["", "loss", "R@1", "R@5", "R@10", "median rank"], lines)


def chance_loss(subjects: int, batch: int) -> float:
    """Return the contrastive loss of projections that know nothing, ln of each batch's size averaged over subjects."""
    sizes = [min(batch, subjects - start) for start in range(0, subjects, batch)]
    return sum(size * math.log(size) for size in sizes) / subjects


def negative() -> str:
    """Return the paired differences of MMCL on shuffled images, the MAE it started from, and MMCL."""
    fine_tuned, probes = (_differences(SHUFFLED[fit]) for fit in ("finetune", "probe"))
    return f"**Fine-tuned**\n\n{fine_tuned}\n\n**Linear probes**\n\n{probes}"


def heatmap() -> str:
    """Return the similarity map's share inside the left ventricle beside its null."""
    rows = pd.read_csv(STUDY / "score_heatmap/heatmap.csv")
    lines = [
        [
            f"{MODELS[row.model]}: {row.measure.replace('_', ' ')}",
            f"{row.value:.4f} [{row.low:.4f}, {row.high:.4f}]",
            f"{row.null_mean:.4f} [{row.null_low:.4f}, {row.null_high:.4f}]",
            f"{row.p:.3f}",
        ]
        for row in rows.itertuples()
        if row.model in MODELS
    ]
    return table(["", "value", "pairs dealt anew", "p"], lines)


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
    """Return whether a job is of the headline by its log below logs/: no ablation, diseases at 100 and 10 %, probes."""
    if any(part.startswith("mmcl_") and part.split(".")[0] != "mmcl_without_mdm" for part in log.split("/")):
        return False
    step, *place = log.removesuffix(".log").split("/")
    return step != "finetune" or (place[1] in HEADLINE and place[2] != "1")


BLOCKS: dict[str, Callable[[], str]] = {
    "bar": bar,
    "cohort": cohort,
    "ceilings": ceilings,
    "pretrained": pretrained,
    "differences": differences,
    "fine_tuned": fine_tuned,
    "probed": probed,
    "negative": negative,
    "heatmap": heatmap,
    "claims": claims,
    "costs": costs,
}

if __name__ == "__main__":
    main()
