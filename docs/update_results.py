"""Rewrite the numbers and figures of docs/results.md from the finished synthetic study: `make results`.

Every block is made from files that rules wrote below results/study, the block `pilot` from those of
config/study_pilot.yaml where it was run. What a block shows is in docs/templates/results.md.j2. There "probe:mae" is a
model, kind of fit and encoder, and "probe:mmcl - probe:mae" a pair of them.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from cmr2ecg.metrics.predictions import STACKED, TABULAR_ALONE
from cmr2ecg.plan.check import STAGES, recorded_jobs, stage_of
from cmr2ecg.plan.jobs import ONCE_AN_ENCODER
from cmr2ecg.report.tables.names import MODELS as NAMES
from cmr2ecg.report.tables.names import TARGETS
from cmr2ecg.report.tables.sheet import DAGGER
from cmr2ecg.study.claims import VERDICTS
from cmr2ecg.study.targets import PHENOTYPE_GROUPS as GROUPS

sys.path.append(str(Path(__file__).parent))
from pages import ROOT, copy_figure, rewrite, table

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
DISEASES = ("cad", "af", "dm")
FITTED = (*DISEASES, "lv", "err")  # what networks are fine-tuned for
MODEL, PAIR = ["fit", "encoder"], ["fit", "encoder", "other_fit", "other_encoder"]
PLACE = ["target", "fraction"]
KINDS = {"probe": " (probe)", "finetune": " (fine-tuned)"}
NOTHING = 1e-9


def main() -> None:
    """Rewrite every block of the page and copy the figures."""
    rewrite(PAGE, values(), keep=() if PILOT.exists() else ("pilot",))
    for name in FIGURES:
        copy_figure(STUDY / f"make_figure/{name}.png", ROOT / f"docs/images/study_{name}.png")


def values() -> dict[str, object]:
    """Return what the template can name."""
    targets = {"DISEASES": DISEASES, "GROUPS": GROUPS, "FITTED": FITTED, "EVERY": (*DISEASES, *GROUPS)}
    return {"study": Study(STUDY), "MODELS": MODELS, "costs": costs, "pilot": pilot, **targets}


class Study:
    """The files of a finished study; its methods return tables and cells of the page."""

    def __init__(self, folder: Path) -> None:
        """Take the cohort's folder."""
        self.folder = folder

    def read(self, name: str) -> pd.DataFrame:
        """Return the csv file of a name such as "evaluate/intervals"."""
        return pd.read_csv(self.folder / f"{name}.csv")

    @cached_property
    def untrained(self) -> set[tuple]:
        """The models that the evaluation marks as not trained, as (fit, encoder, target, fraction)."""
        return set(self.read("evaluate/untrained")[MODEL + PLACE].itertuples(index=False, name=None))

    @cached_property
    def paired(self) -> dict[str, dict[tuple, dict]]:
        """The paired differences of both tables: `both_ways`."""
        return {name: both_ways(self.read(f"evaluate/{name}")) for name in ("comparisons", "adjusted_comparisons")}

    def cohort(self, measures: str) -> str:
        """Return subjects, cases and phenotypes of each split."""
        split = self.read("split_subjects/split").set_index("eid")["split"]
        files = (self.folder / f"read_tabular/{name}.parquet" for name in ("labels", "phenotypes"))
        labels, phenotypes = (pd.read_parquet(file).set_index("eid").loc[split.index].groupby(split) for file in files)
        names = ["train", "val", "test"]
        rows = [["subjects", *(f"{split.eq(name).sum():,}" for name in names)]]
        for disease in DISEASES:
            found = labels[disease].agg(["sum", "mean"]).loc[names]
            rows.append([TARGETS[disease], *(f"{int(cases)} ({share:.1%})" for cases, share in found.to_numpy())])
        for name in measures.split():
            found = phenotypes[name].agg(["mean", "std"]).loc[names]
            rows.append([name, *(f"{mean:.1f} ± {std:.1f}" for mean, std in found.to_numpy())])
        return table(["", *names], rows)

    def scores(self, models: str, part: int, targets: Sequence[str]) -> str:
        """Return mean and std over runs on the test split, marked where a model is not trained."""
        found = self.read("evaluate/intervals").query("split == 'test' and fraction == @part")
        marked = {key[:3] for key in self.untrained if key[3] == part and key[0] != STACKED}
        return score_table({model: MODELS[model[1]] for model in models_of(models)}, found, targets, marked)

    def partial_r(self, models: str, part: int, targets: Sequence[str]) -> str:
        """Return mean and std over runs of the partial r given age, sex, weight and height."""
        found = self.read("evaluate/analyses").query("analysis == 'adjusted' and fraction == @part")
        names = {model: MODELS[model[1]] + ", probe" * (model[0] == "probe") for model in models_of(models)}
        return score_table(names, found, targets, set())

    def differences(self, pairs: Sequence[str], cells: Mapping[int, Sequence[str]], name: str = "comparisons") -> str:
        """Return the paired differences for {percent of the labels: targets}, a column a pair."""
        mixed = len({fit for pair in pairs for fit, _ in models_of(pair)}) > 1
        heads = [
            " − ".join(MODELS[encoder] + KINDS.get(fit, "") * mixed for fit, encoder in models_of(pair))
            for pair in pairs
        ]
        lines = [
            [
                f"{TARGETS[target]}, {part} %" + ", r" * (target not in DISEASES),
                *(self.difference(pair, target, part, name) for pair in pairs),
            ]
            for part, targets in cells.items()
            for target in targets
        ]
        return table(["", *heads], lines)

    def difference(self, pair: str, target: str, part: int, name: str = "comparisons") -> str:
        """Return a paired difference with its interval, bold where that leaves zero out, marked where a model is."""
        row = self.row(name, pair, target, part)
        if row is None:
            return "–"
        scale, digits = unit(target)
        text = "{} [{}, {}]".format(*(f"{scale * value:+.{digits}f}" for value in row.values())).replace("-", "−")
        text = f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text
        return text + DAGGER * any((*model, target, part) in self.untrained for model in models_of(pair))

    def signs(self, name: str, pair: str, targets: Sequence[str], part: int) -> str:
        """Return for how many targets a difference's interval lies above zero, in brackets below."""
        found = [row for target in targets if (row := self.row(name, pair, target, part))]
        above, below = sum(row["low"] > 0 for row in found), sum(row["high"] < 0 for row in found)
        return f"{above}{f' ({below})' * bool(below)} of {len(found)}" if found else "–"

    def row(self, name: str, pair: str, target: str, part: int) -> dict[str, float] | None:
        """Return difference, low and high of a pair, or None."""
        first, second = models_of(pair)
        return self.paired[name].get((*first, *second, target, part))

    def pretrained(self, name: str) -> dict[str, float]:
        """Return loss and retrieval on validation pairs of a contrastive pre-training, means over its seeds."""
        first, folder = self.folder / f"pretrain_mmcl/{name}/result.json", self.folder / "pretrain_mmcl"
        paths = [first, *sorted(folder.glob(f"{name}_seed_*/result.json"))]
        results = [json.loads(path.read_text()) for path in paths]
        chance = chance_loss(results[0]["n_val"], results[0]["settings"]["method"]["batch_size"])
        means = pd.DataFrame([result["validation"] for result in results]).mean()
        return {**means, "seeds": len(results), "chance_loss": chance}

    def claims(self) -> str:
        """Return the paper's claims that this study can speak to."""
        rows = self.read("make_table/table_claims").dropna(subset=["difference"])
        names = rows[["better", "worse"]].replace(MODELS)
        relation = rows["kind"].map({"above": " > ", "level": " at the level of "})
        rows["claim"] = rows["section"] + ": " + names["better"] + relation + names["worse"]
        part = (" " + rows["fraction"].astype(str) + " %").where(rows["target"].isin(DISEASES), "")
        rows["cell"] = rows["target"].map(TARGETS.__getitem__) + part
        verdicts = [verdict for verdict in VERDICTS if verdict != "not run"]
        lines = [
            [claim, *(", ".join(group["cell"][group["verdict"] == verdict]) or "–" for verdict in verdicts)]
            for claim, group in rows.groupby("claim", sort=False)
        ]
        return table(["claim", *verdicts], lines)

    def marks(self) -> str:
        """Return the models that are marked as not trained, by reason."""
        rows = self.read("evaluate/untrained").query("fit in ('finetune', 'probe')")
        rows["target"] = rows["target"].map(TARGETS.__getitem__)
        lines = [
            [f"{MODELS[encoder]}, {fit}, {part} %", ", ".join(group["target"]), group["reason"].iloc[0]]
            for (encoder, fit, part), group in rows.groupby(["encoder", "fit", "fraction"], sort=False)
        ]
        return table(["model", "targets", "the first one's reason"], lines) if lines else "No model is marked."


def models_of(text: str) -> list[tuple[str, ...]]:
    """Return the models (fit, encoder) that a text of the template names, one, two of a pair, or a row of them."""
    return [tuple(model.split(":")) for model in text.replace(" - ", " ").split()]


def both_ways(rows: pd.DataFrame) -> dict[tuple, dict[str, float]]:
    """Return {(fit, encoder, other fit, other encoder, target, fraction): difference, low, high}, pairs turned too."""
    turned = rows.rename(columns=dict(zip(PAIR, PAIR[2:] + PAIR[:2], strict=True)))
    turned = turned.assign(difference=-rows["difference"], low=-rows["high"], high=-rows["low"])
    both = pd.concat([rows, turned]).drop_duplicates(PAIR + PLACE).set_index(PAIR + PLACE)
    return both[["difference", "low", "high"]].to_dict("index")


def score_table(names: Mapping[tuple, str], found: pd.DataFrame, targets: Sequence[str], marked: set[tuple]) -> str:
    """Return mean ± std of {model: its name} by target, with a mark for (fit, encoder, target) in `marked`."""
    rows = found.set_index([*MODEL, "target"])[["mean", "std"]].to_dict("index")
    lines = []
    for model, name in names.items():
        keys = [(*model, target) for target in targets]
        lines.append([name, *(score(rows.get(key), key[2]) + DAGGER * (key in marked) for key in keys)])
    return table(["", *(TARGETS[target] for target in targets)], lines)


def score(row: Mapping[str, float] | None, target: str) -> str:
    """Return mean ± std of a model's runs."""
    if row is None:
        return "–"
    scale, digits = unit(target)
    same = pd.isna(row["std"]) or row["std"] < NOTHING  # a single run, or probes of the same features
    return f"{scale * row['mean']:.{digits}f}" + ("" if same else f" ± {scale * row['std']:.{digits}f}")


def unit(target: str) -> tuple[int, int]:
    """Return factor and digits: AUROC is printed in percent."""
    return (100, 1) if target in DISEASES else (1, 3)


def chance_loss(subjects: int, batch: int) -> float:
    """Return the contrastive loss of projections that know nothing, ln of each batch's size averaged over subjects."""
    sizes = [min(batch, subjects - start) for start in range(0, subjects, batch)]
    return sum(size * math.log(size) for size in sizes) / subjects


def pilot(encoders: Sequence[str]) -> str:
    """Return the validation scores of the pilot's trials."""
    paths = {name: PILOT / f"sweep/{name}/lv/trials.csv" for name in encoders}
    trials = pd.DataFrame({name: pd.read_csv(path).set_index("base_lr")["score"] for name, path in paths.items()})
    trials = trials.sort_index()
    shown = trials.map("{:.3f}".format).where(trials != trials.max(), trials.map("**{:.3f}**".format))
    lines = [[MODELS[name], *shown[name]] for name in encoders]
    return table(["base learning rate", *(f"{rate:.0e}" for rate in trials.index)], lines)


def costs() -> str:
    """Return the core-minutes of every stage from the times Snakemake noted of its jobs: all, and the headline's."""
    threads = yaml.safe_load((ROOT / "config/study.yaml").read_text())["threads"]
    jobs = []
    for (rule, log), seconds in recorded_jobs(ROOT, "results/study/").items():
        spent = seconds / 60 * threads.get(rule, 1)  # every other rule's jobs have one thread here
        jobs.append((stage_of(ONCE_AN_ENCODER.sub(r"\1", rule)), spent, spent * of_headline(log)))
    minutes = pd.DataFrame(jobs, columns=["stage", "all", "headline"]).groupby("stage").sum()
    minutes = minutes.loc[[stage for stage in (*STAGES, "other") if stage in minutes.index]]
    minutes.loc["all"] = minutes.sum()
    lines = [[stage, *(f"{value:.1f}" for value in values)] for stage, *values in minutes.itertuples()]
    lines.append([f"minutes of {CORES} cores", *(f"{value / CORES:.0f}" for value in minutes.loc["all"])])
    return table(["core-minutes", "everything", "headline"], lines)


def of_headline(log: str) -> bool:
    """Return whether a job is of the headline by its log: a pre-training of each kind, probes, diseases."""
    step, *place = log.removeprefix("results/study/logs/").removesuffix(".log").split("/")
    if any(name.startswith(("mmcl_", "mae_")) and name != "mmcl_without_mdm" for name in place) or "seed_" in log:
        return False
    return step != "finetune" or (place[0] != "cmr_supervised" and any(name in DISEASES for name in place[1:]))


if __name__ == "__main__":
    main()
