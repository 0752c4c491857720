"""Rewrite the numbers of docs/real_ecgs.md from a finished run on PTB-XL: `make real-ecgs DATA=folder`.

The folder is what docs/real_ecgs/prepare.py and further.py write; the runs are that of config/ptbxl.yaml with its
PTB-XL, below results/ptbxl, and that of docs/real_ecgs/more.yaml, below results/ptbxl_more. What the blocks
show is in docs/templates/real_ecgs.md.j2.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "real_ecgs")]
import external
import more
from pages import ROOT, copy_smaller, rewrite, table

from cmr2ecg.plan.check import recorded_jobs
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.sheet import DAGGER, interval
from cmr2ecg.study.settings.recordings import CleanEcg
from cmr2ecg.study.settings.validated import validated

PAGE, RUN, MORE = ROOT / "docs/real_ecgs.md", ROOT / "results/ptbxl", ROOT / "results/ptbxl_more"
MACRO, SUPERCLASSES = "superclasses", ("norm", "mi", "sttc", "cd", "hyp")
CLASSES = (*SUPERCLASSES, "af")
FITS = {"finetune": "fine-tuned", "probe": "linear probe"}
FIGURE = "figure_5"
FROM_SCRATCH = ("supervised", "supervised_cnn")
SEARCH = ("sweep", "select", "hide_test")
KEY = ["fit", "encoder", "target", "fraction"]


def main() -> None:
    """Read the run, evaluate its release elsewhere, and rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    for run, config in ((RUN, "config/ptbxl.yaml"), (MORE, "docs/real_ecgs/more.yaml")):
        if not (run / "audit_withdrawn/audit.json").is_file():
            raise SystemExit(f"{run} is not finished; run {config} first")
    rewrite(PAGE, values(data))
    copy_smaller(RUN / f"make_figure/{FIGURE}.png", ROOT / f"docs/images/ptbxl_{FIGURE}.png", 0.6)


def values(data: Path) -> dict[str, object]:
    """Return what the template can name."""
    evaluated = {
        name: pd.read_csv(RUN / f"evaluate/{name}.csv") for name in ("intervals", "comparisons", "untrained", "skipped")
    }
    release = json.loads((RUN / "release/mae/config.json").read_text())
    return {
        "cohort": cohort(),
        "scores": scores(evaluated),
        "gains": gains(evaluated["comparisons"], evaluated["untrained"]),
        "probes": probes(evaluated["intervals"]),
        "marked": marked(evaluated["untrained"]),
        "external": outside(data, release["clean_ecg"]),
        "further": further(),
        "more": unlabelled(),
        "cost": cost(),
    }


def cohort() -> str:
    """Return the table of recordings, people and classes by split."""
    split = pd.read_csv(RUN / "split_subjects/split.csv").merge(pd.read_parquet(RUN / "read_tabular/labels.parquet"))
    split = split.merge(pd.read_parquet(RUN / "index_cohort/visits.parquet")[["eid", "subject"]])
    rows = [
        [name, len(part), part["subject"].nunique(), *(int(part[target].sum()) for target in CLASSES)]
        for name, part in ((name, split[split["split"] == name]) for name in ("train", "val", "test"))
    ]
    return table(["split", "ECGs", "people", *(TARGETS[name] for name in CLASSES)], rows)


def scores(evaluated: Mapping[str, pd.DataFrame]) -> str:
    """Return the table of every model fine-tuned on labels, with the macro AUROC first."""
    found = evaluated["intervals"]
    found = found[found["fit"].isin(["finetune", "train_tabular"])]
    daggers = set(evaluated["untrained"][KEY].itertuples(index=False, name=None))
    rows = []
    for (fraction, fit, encoder), models in found.sort_values("fraction", ascending=False, kind="stable").groupby(
        ["fraction", "fit", "encoder"], sort=False
    ):
        of = {row["target"]: row for _, row in models.iterrows()}
        cells = [
            cell(of[name], with_interval=name == MACRO) + DAGGER * ((fit, encoder, name, fraction) in daggers)
            if name in of
            else "–"
            for name in (MACRO, *CLASSES)
        ]
        rows.append([f"{MODELS[encoder]}, {fraction} %", *cells])
    return table(["model, labels", "macro [95 %]", *(TARGETS[name] for name in CLASSES)], rows)


def cell(row: pd.Series, with_interval: bool) -> str:
    """Return an AUROC in percent."""
    if not with_interval:
        return f"{100 * row['mean']:.1f}"
    return interval([100 * row[name] for name in ("mean", "low", "high")], digits=1)


def gains(comparisons: pd.DataFrame, untrained: pd.DataFrame) -> str:
    """Return the table of the MAE minus networks from random weights, macro and by class."""
    pairs = comparisons[(comparisons["encoder"] == "mae") & (comparisons["fit"] == "finetune")]
    daggers = set(untrained[KEY].itertuples(index=False, name=None))
    rows = []
    for fraction in sorted(pairs["fraction"].unique(), reverse=True):
        for other in FROM_SCRATCH:
            here = pairs[(pairs["fraction"] == fraction) & (pairs["other_encoder"] == other)]
            of = {row["target"]: row for _, row in here.iterrows()}
            names = [name for name in (MACRO, *CLASSES) if name in of]
            cells = [
                interval([100 * of[name][end] for end in ("difference", "low", "high")], digits=1, sign="+")
                + DAGGER * bool({("finetune", model, name, fraction) for model in ("mae", other)} & daggers)
                if name in names
                else "–"
                for name in (MACRO, *CLASSES)
            ]
            rows.append([f"minus {MODELS[other]}, {fraction} %", *cells])
    return table(["MAE", "macro", *(TARGETS[name] for name in CLASSES)], rows)


def probes(intervals: pd.DataFrame) -> str:
    """Return the table of linear probes with all labels."""
    found = intervals[(intervals["fit"] == "probe") & (intervals["fraction"] == 100)]
    rows = []
    for encoder, models in found.groupby("encoder", sort=False):
        of = {row["target"]: row for _, row in models.iterrows()}
        cells = [cell(of[name], name == MACRO) if name in of else "–" for name in (MACRO, *CLASSES)]
        rows.append([MODELS[str(encoder)], *cells])
    return table(["linear probe of", "macro [95 %]", *(TARGETS[name] for name in CLASSES)], rows)


def marked(untrained: pd.DataFrame) -> str:
    """Return how many models are marked as not trained, and of which encoders."""
    tuned = untrained[(untrained["fit"] == "finetune") & (untrained["target"] != MACRO)]
    if tuned.empty:
        return "No fine-tuned model is marked as not trained."
    by = tuned.groupby(["encoder", "fraction"]).size()
    said = ", ".join(f"{MODELS[encoder]} at {fraction} % {count}" for (encoder, fraction), count in by.items())
    return f"{DAGGER}: {len(tuned)} fine-tuned models are marked as not trained ({said})."


def outside(data: Path, cleaning: Mapping[str, object]) -> str:
    """Return the table of AF in other data sets: the release unchanged, on filtered copies, and RR intervals."""
    own = external.recordings([data / "cpsc2018"])
    folders = [folder for folder in sorted((data / "physionet2021").iterdir()) if not folder.name.startswith("PTB")]
    names = {one.path.stem for one in own}
    others = [one for one in external.recordings(folders) if one.path.stem not in names]
    mix = [one for one in others if not one.path.stem.startswith("HR")]  # which are PTB-XL's
    sets = {"CPSC 2018": own, "PhysioNet 2021, others": mix}
    paths = [one.path for found in sets.values() for one in found]
    settings = validated(CleanEcg, cleaning)
    with tempfile.TemporaryDirectory() as folder:
        plain, wide = (
            external.predicted(run / "release/mae", paths, Path(folder, run.name))["af_risk"] for run in (RUN, MORE)
        )
        copies = external.as_the_training_set(paths, Path(folder, "copies"))
        like = external.predicted(RUN / "release/mae", copies, Path(folder, "like"))["af_risk"]
        risks = {
            "release, unchanged": dict(zip(paths, plain.reindex(map(str, paths)), strict=True)),
            "release, recordings filtered and scaled as PTB-XL's copies": dict(
                zip(paths, like.reindex(map(str, copies)), strict=True)
            ),
            "release of the MAE pre-trained on more, unchanged": dict(
                zip(paths, wide.reindex(map(str, paths)), strict=True)
            ),
            "RR intervals (logistic regression on PTB-XL)": intervals_risk(paths, data / "ptb-xl", settings),
        }
    rows = [
        [model, name, n, positive, interval([100 * value for value in (auroc, low, high)], digits=1)]
        for model, of in risks.items()
        for name, (n, positive, auroc, low, high) in external.scores_by_set(sets, of, "af").items()
    ]
    return table(["AF by", "on", "ECGs", "with AF", "AUROC [95 %]"], rows)


def intervals_risk(paths: Sequence[Path], ptb_xl: Path, settings: CleanEcg) -> dict[Path, float]:
    """Return the risk of AF by a regression on RR intervals that learnt from the training split."""
    known = pd.read_csv(RUN / "index_shard/recordings.csv")
    known = known[known["split"] == "train"].dropna(subset=["af"])
    features = external.rhythm([Path(path) for path in known["path"]], settings)
    there = ~np.isnan(features).any(axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(features[there], known["af"].to_numpy()[there])
    found = external.rhythm(paths, settings)
    usable = ~np.isnan(found).any(axis=1)
    risk = np.full(len(paths), np.nan)
    risk[usable] = model.predict_proba(found[usable])[:, 1]
    return dict(zip(paths, risk.tolist(), strict=True))


def further() -> str:
    """Return how many recordings without labels there were, and how many passed quality control."""
    names = sorted((MORE / "clean_ecg").glob("*.unpaired.qc.csv"))
    found = pd.concat([pd.read_csv(name, usecols=["status"]) for name in names])
    return f"{(found['status'] == 'accepted').sum():,} of {len(found):,}"


def unlabelled() -> str:
    """Return the table of the MAE with further recordings, and its paired difference to the one without."""
    rows = []
    for fit, fraction, of in more.paired((MORE, RUN), CLASSES, SUPERCLASSES, more.people_of(RUN)):
        ends = {name: (estimate.value, *estimate.interval()) for name, (_, _, estimate) in of.items()}
        cells = [interval([100 * end for end in ends[name]], digits=1, sign="+") for name in ("macro", *CLASSES)]
        rows.append([f"{FITS[fit]}, {fraction} %", f"{100 * of['macro'][0]:.1f}", *cells])
    return table(["MAE", "macro", "gain in macro", *(TARGETS[name] for name in CLASSES)], rows)


def cost() -> str:
    """Return what the jobs took, each of which has one core, less those of a search for rates."""
    jobs = recorded_jobs(ROOT, "results/ptbxl/")
    return f"{sum(spent for (rule, _), spent in jobs.items() if rule not in SEARCH) / 60:.0f} core-minutes"


if __name__ == "__main__":
    main()
