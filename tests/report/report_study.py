"""A finished study with its tables and a figure, as the steps' command lines write them."""

import json

import pandas as pd
from report.report_cohort import provenance, write_sides, write_study

from cmr2ecg.metrics.retrieval import COLUMNS as RETRIEVAL_COLUMNS
from cmr2ecg.report.maps.heatmap import COLUMNS
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS
from cmr2ecg.steps import evaluate, make_figure, make_table

SETTINGS = json.dumps(
    {
        "margin": {"auroc": 0.01, "r": 0.02},
        "age_bands": [60],
        "macro": {},
        "calibration_bins": 5,
        "untrained": {"minimum_steps": 300},
    }
)
TABLES = [*LAYOUTS, *SUPPLEMENTS]


def words(**options):
    """Return a command line: words(table=1, runs=["a", "b"]) gives --table 1 --runs a b."""
    line = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        line += [f"--{name.replace('_', '-')}", *map(str, values)]
    return line


def write_heatmap(root):
    """Write heatmap.csv in which MDM brings more contrast."""
    rows = [
        ("mmcl", "contrast", 0.3, 0.25, 0.35, 0.0, 0.1, 0.05, 0.15, 0.001, 40, "7x7"),
        ("mmcl", "infarct_contrast", 0.2, 0.15, 0.25, 0.0, 0.1, 0.05, 0.15, 0.001, 9, "7x7"),
        ("mmcl - mmcl_without_mdm", "contrast", 0.1, 0.05, 0.15, *[float("nan")] * 4, 2e-4, 40, ""),
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(root / "heatmap.csv", index=False)
    return root / "heatmap.csv"


def write_retrieval(root):
    """Write retrieval.csv in which an ECG finds its image more often than permuted pairs do."""
    rows = [
        ("mmcl", "ecg_to_cmr", "r5", 0.25, 0.15, 0.4, 0.125, 0.12, 0.025, 0.225, 0.012, 40),
        ("mmcl", "ecg_to_cmr", "median_rank", 12.0, 9.5, 17.0, 20.5, 20.4, 16.0, 25.0, 0.001, 40),
    ]
    pd.DataFrame(rows, columns=RETRIEVAL_COLUMNS).to_csv(root / "retrieval.csv", index=False)
    return root / "retrieval.csv"


def finished_study(root):
    """Write a finished study, scored, with its tables and figure, and a pre-training; return its folder."""
    paths = write_study(root, targets=("cad", "af", "dm", "hf"))
    paths += write_study(root, encoders=("supervised", "mmcl", "probe/random"), targets=("rv",), fractions=(100,))
    pretrained = root / "pretrain_mae" / "mae"
    pretrained.mkdir(parents=True)
    result = {"step": "pretrain_mae", "name": "mae", "settings": {"mask_ratio": 0.8}, "seed": 0}
    result |= {"validation": {"loss": 0.3}, "parameters": 9, "provenance": provenance()}
    (pretrained / "result.json").write_text(json.dumps(result))
    (pretrained / "metrics.jsonl").write_text('{"epoch": 0, "train_loss": 1.5, "val_loss": 2.0}\n')
    results = [path.with_name("result.json") for path in paths]
    evaluate.main(
        words(settings=SETTINGS, predictions=paths, results=results, output=root, **write_sides(root / "sides"))
    )
    for table in TABLES:
        outputs = {kind: root / f"table_{table}.{kind}" for kind in ("csv", "md", "tex", "html")}
        given = {"heatmap": write_heatmap(root), "retrieval": write_retrieval(root)}
        make_table.main(words(table=table, evaluated=root, cohort="demo", **given, **outputs))
    outputs = {kind: root / f"figure_5.{kind}" for kind in ("png", "pdf")}
    given = f"intervals={root / 'intervals.csv'}"
    make_figure.main(words(settings=json.dumps({"dpi": 60}), figure="figure_5", inputs=given, **outputs))
    return root
