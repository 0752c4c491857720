"""What a data set's declaration (`recordings`) means for other settings. Light, since Snakemake reads it."""

from collections.abc import Iterator

from cmr2ecg.study.settings.data_set import ABOUT, HEADERS, WORD, Labels, Recordings
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.targets import PRETRAIN, SPLITS


def with_classes(settings: Settings) -> Settings:
    """Return settings whose diseases are the classes of a data set, read from its table; others as they are."""
    if not settings.recordings.table:
        return settings
    tabular = settings.read_tabular.model_copy(
        update={"layout": "named", "diseases": dict(settings.recordings.labels.classes)}
    )
    return settings.model_copy(update={"read_tabular": tabular})


def complaints(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with a declaration by itself, and with other settings beside it."""
    given = settings.recordings
    if not given.table:
        if given.file or given.labels.classes or given.split.column:
            yield "recordings.table is empty, yet recordings says more; name the table, or headers"
        return
    if settings.simulate_cohort.enabled:
        yield "recordings.table is given, yet simulate_cohort.enabled is true; switch one of them off"
    if settings.raw.tabular:
        yield "raw.tabular names tables, yet recordings.table has the labels; drop one of them"
    if "cmr" in settings.index_cohort.modalities:
        yield "recordings.table lists ECGs only; set index_cohort.modalities: [ecg]"
    if not given.file and given.table != HEADERS:
        yield "recordings.file is empty; name the files by the table's columns, such as '{filename_hr}.hea'"
    yield from _labels(given.labels)
    yield from _sides(given)
    folds = [fold for name in (*SPLITS, PRETRAIN) for fold in getattr(given.split, name)]
    if given.split.column and not all(getattr(given.split, name) for name in SPLITS):
        yield "recordings.split names a column; give each of train, val and test its folds"
    if given.split.pretrain and not settings.index_cohort.unpaired_ecgs:
        yield "recordings.split.pretrain has folds, yet index_cohort.unpaired_ecgs is false; set it to true"
    if len(set(folds)) < len(folds):
        yield "recordings.split has a fold in two splits"
    if (settings.split_subjects.method == "given") != bool(given.split.column):
        said = "is empty" if not given.split.column else "is given"
        yield f"recordings.split.column {said}, yet split_subjects.method is {settings.split_subjects.method}"


def _labels(labels: Labels) -> Iterator[str]:
    if not labels.classes:
        yield "recordings.labels.classes is empty; name at least one class and its codes"
    if labels.form != "flags" and not labels.columns:
        yield f"recordings.labels.columns is empty; name the columns with the {labels.form}"
    for name in labels.complete:
        if name not in labels.classes:
            yield f"recordings.labels.complete names {name}, which recordings.labels.classes lacks"
    for name, codes in labels.classes.items():
        if name in ABOUT:
            yield f"recordings.labels.classes names {name}, as a column of index_shard/recordings.csv is; rename it"
        for code in codes:
            if not code.strip() or (labels.form == "codes" and not WORD.fullmatch(code)):
                why = "a code has no blanks, commas, semicolons, colons, bars, brackets or quotes"
                yield f"recordings.labels.classes.{name} has {code!r}, which no cell can match; {why}"


def _sides(given: Recordings) -> Iterator[str]:
    if bool(given.join.table) != bool(given.join.column):
        yield "recordings.join needs both, the second table and the column that both tables have"
    if given.join.table and given.table == HEADERS:
        yield "recordings.join names a table, yet recordings.table is headers, which are not joined; drop it"
    if set(given.sex.female) & set(given.sex.male):
        yield "recordings.sex has a cell that means female and male"
