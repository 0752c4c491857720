"""How Snakemake's report sorts and names tables and figures."""

from collections.abc import Collection

COHORT, TABLES, FIGURES, FURTHER, RUN = (
    "1 Who is in the study",
    "2 Tables of the paper",
    "3 Figures of the paper",
    "4 Further tables and figures",
    "5 Settings, versions, run times",
)
ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V"}


def table_category(table: str) -> str:
    """Return the part of the report a table stands in."""
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
