# Which scores, tables and runs the study ends with, and how the report names them.

FITS = (
    FINETUNED
    + PROBED
    + expand("<results>/train_tabular/{fit}", fit=fits_of("train_tabular"))
)
SUBSET_AUDITS = expand(
    "<results>/audit_subsets/{target}.json",
    target=sorted(
        {
            target
            for target, fraction in (fit.split("/")[-2:] for fit in FITS)
            if on_subset(target, int(fraction))
        }
    ),
)
PRETRAININGS = pretrainings(
    config["finetune"]["encoders"] + config["probe"]["encoders"]
)
EVALUATED = {
    name: f"<results>/evaluate/{name}.csv"
    for name in (
        "metrics",
        "intervals",
        "comparisons",
        "adjusted_comparisons",
        "analyses",
        "calibration",
        "calibration_curve",
        "skipped",
        "models",
        "untrained",
    )
}
TABLES = expand(
    "<results>/make_table/table_{table}.csv",
    table=config["make_table"]["tables"] + config["make_table"]["supplements"],
)

CATEGORIES = {
    "cohort": "1 Who is in the study",
    "tables": "2 Tables of the paper",
    "figures": "3 Figures of the paper",
    "further": "4 Further tables and figures",
    "run": "5 Settings, versions, run times",
}
ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V"}


def table_category(table):
    """Return the part of the report a table stands in."""
    return CATEGORIES["tables" if table in ROMAN else "further"]


def table_label(table):
    """Return what the report calls a table."""
    words = table.removeprefix("iv_").replace("_", " ")
    return {"item": f"Table {ROMAN[table]}" if table in ROMAN else f"Table: {words}"}


def figure_category(figure):
    """Return the part of the report a figure stands in."""
    if figure in config["make_figure"]["quality_figures"]:
        return CATEGORIES["cohort"]
    return CATEGORIES["figures" if figure.startswith("figure_") else "further"]


def figure_label(figure):
    """Return what the report calls a figure."""
    return {"item": figure.replace("_", " ").capitalize()}


def shareable_config():
    """Return the whole config as JSON without paths of raw files, which may say where participants' data lie, and eids.

    What a cluster was asked for says nothing about the results.
    """
    raw = {key: f"{len(paths)} path(s)" for key, paths in config["raw"].items()}
    eids = f"{len(config['make_figure']['eids'])} subject(s)"
    figures = {**config["make_figure"], "eids": eids}
    shown = {key: value for key, value in config.items() if key != "cluster"}
    return json.dumps({**shown, "raw": raw, "make_figure": figures})


STUDY = [
    *TABLES,
    *FIGURES,
    *HEATMAP,
    *RELEASES,
    "<results>/track/tracked.json",
    "<results>/trace_numbers/provenance.json",
    "<results>/describe_run/run.html",
]
