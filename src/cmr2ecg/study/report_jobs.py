"""What a study ends with: its fits, tables, figures and releases, and how Snakemake's report sorts and names them."""

from collections.abc import Collection, Sequence

from cmr2ecg.study import figure_jobs
from cmr2ecg.study.fit_jobs import FitJob, fits_of, folders, released_fits
from cmr2ecg.study.sections import shareable
from cmr2ecg.study.settings.study import Settings

SUMMARY, COHORT, TABLES, FIGURES, FURTHER, RUN = (
    "0 Summary",
    "1 Who is in the study",
    "2 Tables of the paper",
    "3 Figures of the paper",
    "4 Further tables and figures",
    "5 Settings, versions, run times",
)
ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V"}


def table_category(table: str) -> str:
    """Return the part of the report a table stands in."""
    if table == "headline":
        return SUMMARY
    return TABLES if table in ROMAN else FURTHER


def table_label(table: str) -> dict[str, str]:
    """Return what the report calls a table."""
    words = table.removeprefix("iv_").replace("_", " ")
    return {"item": f"Table {ROMAN[table]}" if table in ROMAN else f"Table: {words}"}


def figure_category(figure: str, of_quality: Collection[str]) -> str:
    """Return the part of the report a figure stands in; of_quality: figures of the data's quality."""
    if figure in of_quality:
        return COHORT
    return FIGURES if figure.startswith("figure_") else FURTHER


def figure_label(figure: str) -> dict[str, str]:
    """Return what the report calls a figure."""
    return {"item": figure.replace("_", " ").capitalize()}


def all_fits(settings: Settings, finetunings: Sequence[FitJob], probes: Sequence[FitJob]) -> list[str]:
    """Return the folders of all fits: of encoders, and of the tabular baseline."""
    tabular = [f"<results>/train_tabular/{fit}" for fit in fits_of(settings, settings.train_tabular.targets)]
    return [*_encoder_fits(finetunings, probes), *tabular]


def table_files(settings: Settings) -> list[str]:
    """Return every table of the paper and beyond, as csv."""
    names = (*settings.make_table.tables, *settings.make_table.supplements)
    return [f"<results>/make_table/table_{name}.csv" for name in names]


def scored_for(settings: Settings, table: str) -> dict[str, str]:
    """Return the files of score_heatmap that a table shows, if the step is run."""
    shown = {"claims": "heatmap"}.get(table, table)
    return {name: path for name, path in figure_jobs.scored(settings).items() if name == shown}


def headline_files(settings: Settings) -> list[str]:
    """Return the headline's table, if it is made."""
    return ["<results>/make_table/table_headline.csv"] * ("headline" in settings.make_table.supplements)


def figure_files(settings: Settings, finetunings: Sequence[FitJob], probes: Sequence[FitJob]) -> list[str]:
    """Return every figure, as png."""
    names = figure_jobs.figures(settings, _encoder_fits(finetunings, probes))
    return [f"<results>/make_figure/{name}.png" for name in names]


def release_files(settings: Settings) -> list[str]:
    """Return the checksums of every release; an encoder without a fit on a whole training set has none."""
    encoders = [encoder for encoder in settings.release.encoders if released_fits(settings, encoder)]
    return [f"<results>/release/{encoder}/SHA256SUMS" for encoder in encoders]


def _encoder_fits(finetunings: Sequence[FitJob], probes: Sequence[FitJob]) -> list[str]:
    return [*folders("finetune", finetunings), *folders("probe", probes)]


def paper_settings() -> str:
    """Return the paper's settings as JSON, which the report's summary shows beside the run's."""
    return shareable(Settings())
