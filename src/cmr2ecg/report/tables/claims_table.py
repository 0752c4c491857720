"""The table of the paper's claims with a verdict each, from the tables of the step evaluate."""

from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.metrics.multireader import Estimate, holm
from cmr2ecg.metrics.predictions import fit_of
from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.tables.names import MODELS, TARGETS
from cmr2ecg.report.tables.paper_values import PAPER
from cmr2ecg.report.tables.sheet import DASH, WHOLE, Sheet, Tables, interval, p_value
from cmr2ecg.study.claims import DISEASES, VERDICTS, Claim, boundary, claims, verdict

LAST_BEFORE_MAPS = next(claim for claim in reversed(claims()) if claim.section == "V-D")
NO_NUMBERS = dict.fromkeys(("difference", "low", "high", "standard_error", "df", "p_value", "margin"), float("nan"))


def claims_table(tables: Tables) -> Sheet:
    """Return every claim of §V with our difference, its interval, p-values and a verdict."""
    records = [_judged(claim, tables) for claim in claims()]
    records.insert(1 + claims().index(LAST_BEFORE_MAPS), _heatmap_claim(tables["heatmap"]))
    data = pd.DataFrame(records)
    data["p_value_holm"] = holm(data["p_value"].to_numpy(float))
    data["verdict"] = [_verdict(row) for row in data.itertuples()]
    counts = data["verdict"].value_counts()
    summary = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if name in counts)
    title = (
        "The paper's claims that one model outperforms another (>) or is at its level: difference on our test split "
        "(percentage points of ROC AUC, or r) with its 95 % interval over subjects and training runs "
        "(Obuchowski-Rockette analysis, Hillis' degrees of freedom), the paper's own difference, the two-sided p-value "
        f"corrected by Holm's method for all {data['p_value'].notna().sum()} claims that were tested, and the verdict. "
        "Confirmed or reversed: p < 0.05; at the level of: neither, but the interval begins above minus the margin of "
        f"non-inferiority ({_margins(data)}). A claim of a level is tested against minus that margin. Not tested: a "
        f"model counts as not trained, or nothing varies that could be measured by. {summary}."
    )
    head = ["Section", "Claim", "Target, training set", "Ours [95 %]", "Paper", "p, Holm", "Verdict"]
    rows = [_claim_line(row) for _, row in data.iterrows()]
    return Sheet(title, head, rows, data.drop(columns="untested"), left=3)


def _judged(claim: Claim, tables: Tables) -> dict[str, object]:
    """Return a claim with its numbers; `untested` is empty, "not run", or "not tested"."""
    row = _difference(tables["comparisons"], claim)
    untrained = tables.get("untrained", pd.DataFrame(columns=MODEL_COLUMNS))
    of_claim = {(fit_of(name), name, claim.target, claim.fraction) for name in (claim.better, claim.worse)}
    unfit = not of_claim.isdisjoint(untrained[MODEL_COLUMNS].itertuples(index=False, name=None))
    ours = row or NO_NUMBERS
    estimate = Estimate(ours["difference"], ours["standard_error"], ours["df"])
    p = float("nan") if unfit else estimate.p_value(boundary(claim.kind, ours["margin"]))
    untested = "not run" if row is None else "not tested" if np.isnan(p) else ""
    paper = _paper_difference(claim.better, claim.worse, claim.target) if claim.fraction == WHOLE else None
    return {**vars(claim), **ours, "p_value": p, "untested": untested, "paper_difference": paper}


def _heatmap_claim(heatmap: pd.DataFrame) -> dict[str, object]:
    """Return §V-E as a claim: with MDM, similarity is higher in the image's region of interest.

    The paper shows pictures; here it is the contrast, similarity inside the left ventricle less that outside. One
    network a model, so the test is about subjects alone.
    """
    found = heatmap[(heatmap["model"] == "mmcl - mmcl_without_mdm") & (heatmap["measure"] == "contrast")]
    numbers, untested = NO_NUMBERS, "not run"
    if len(found):
        value, low, high, p = found.iloc[0][["value", "low", "high", "p"]]
        numbers = NO_NUMBERS | {"difference": value, "low": low, "high": high, "p_value": p}
        untested = "not tested" if np.isnan(p) else ""
    claim = Claim("V-E", "mmcl", "mmcl_without_mdm", "heatmap")
    return {**vars(claim), **numbers, "untested": untested, "paper_difference": None}


def _verdict(row: Any) -> str:
    return row.untested or verdict(row.kind, row.difference, row.low, row.p_value_holm, row.margin)


def _claim_line(row: pd.Series) -> list[str]:
    """Return what is printed of a claim."""
    relation = "at the level of" if row["kind"] == "level" else ">"
    words = f"{MODELS[row['better']]} {relation} {MODELS[row['worse']]}"
    where = f"{TARGETS[row['target']]}, {row['fraction']} %"
    scale = 100.0 if row["target"] in DISEASES else 1.0
    ours = interval((scale * row[name] for name in ("difference", "low", "high")), sign="+")
    paper = DASH if pd.isna(row["paper_difference"]) else f"{row['paper_difference']:+.2f}"
    where = "Heatmap, contrast" if row["target"] == "heatmap" else where
    return [row["section"], words, where, ours, paper, p_value(row["p_value_holm"]), row["verdict"]]


def _margins(data: pd.DataFrame) -> str:
    """Return the margins by metric in the words of the title."""
    of_disease = data["target"].isin(DISEASES)
    auroc, r = (data.loc[rows, "margin"].max() for rows in (of_disease, ~of_disease))
    parts = [f"{100 * auroc:g} percentage points"] * pd.notna(auroc) + [f"{r:g} in r"] * pd.notna(r)
    return ", ".join(parts) or "none"


def _difference(comparisons: pd.DataFrame, claim: Claim) -> dict[str, float] | None:
    """Return NO_NUMBERS' columns of how far `better` is ahead, from whichever order the pair was compared in."""
    rows = comparisons[(comparisons["target"] == claim.target) & (comparisons["fraction"] == claim.fraction)]
    for sign, first, second in ((1, claim.better, claim.worse), (-1, claim.worse, claim.better)):
        pair = (rows["encoder"] == first) & (rows["other_encoder"] == second)
        pair &= (rows["fit"] == fit_of(first)) & (rows["other_fit"] == fit_of(second))
        for _, row in rows.loc[pair, [*NO_NUMBERS]].iterrows():
            ends = (row["low"], row["high"]) if sign > 0 else (-row["high"], -row["low"])
            numbers = {name: float(row[name]) for name in NO_NUMBERS}
            return numbers | {"difference": sign * row["difference"], "low": ends[0], "high": ends[1]}
    return None


def _paper_difference(better: str, worse: str, target: str) -> float | None:
    first, second = (PAPER[name].get(target) for name in (better, worse))
    return round(first[0] - second[0], 2) if first and second else None
