"""Settings of how a public data set, or any table of recordings, says who is who: ids, files, labels, split."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from cmr2ecg.study.settings.base import Name, Section, Some, Values, setting


def _text(value: Any) -> Any:
    """Take 426783006 and 1 for text, as YAML reads codes and folds without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Cell = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "integer"]})]
ENTRY = "column of the table"
HEADERS = "headers"  # as recordings.table
WORD = re.compile(r"[^\s,;:|{}\[\]'\"]+")  # a code in a list of codes
NUMBERS = ("age", "weight", "height")
# Columns of index_shard/recordings.csv beside the classes.
ABOUT = ("eid", "instance", "path", "subject", "split", "recording", "subject_id", "sex", *NUMBERS)


class SexColumn(Section):
    """Which column has the sex, and what its cells mean; a cell that is neither is left empty and counted."""

    column: str = setting("", f"{ENTRY}; empty: the sex is not known")
    female: Values[Cell] = setting(("Female", "female", "F"), "cells that mean female")
    male: Values[Cell] = setting(("Male", "male", "M"), "cells that mean male")


class SplitColumn(Section):
    """The split that a data set comes with; recordings in none of the folds are left out and counted."""

    column: str = setting("", f"{ENTRY} with the fold; empty: `split_subjects` draws the split, by subject")
    train: Values[Cell] = setting((), "folds for training")
    val: Values[Cell] = setting((), "folds for validation")
    test: Values[Cell] = setting((), "folds for the test")
    pretrain: Values[Cell] = setting((), "folds for pre-trainings alone; see `index_cohort.unpaired_ecgs`")


class Join(Section):
    """A second table beside the first, joined on a column that both have."""

    table: str = setting("", "csv file in the folder; empty: none")
    column: str = setting("", "column that both tables have")


class Labels(Section):
    """Which classes there are, each a target that `finetune.targets` may name, and how the table says them."""

    form: Literal["flags", "codes", "phrases"] = setting(
        "flags",
        "flags: a column a code, with 0 and 1 or true and false; codes: lists of codes; phrases: free text. Lists may "
        "be separated by anything, as in {'NORM': 100.0, 'SR': 0.0} or 426783006,164889003; a phrase is looked for "
        "in small letters, as whole words, and nothing is understood of what stands around it",
    )
    columns: Values[str] = setting((), "columns with codes or text; empty for flags, whose codes are the columns")
    classes: dict[Name, Some[Cell]] = setting(
        {}, "class -> its codes, columns or phrases. A recording with any of them is 1, with none of them 0"
    )
    complete: Values[Name] = setting(
        (),
        "classes of which each labelled recording has at least one; one with none of them counts as not labelled and "
        "is left out. Empty: every recording whose cells are not blank is labelled",
    )


class Recordings(Section):
    """How a data set of many recordings, as downloaded, says who is who; [docs/data_sets.md](../docs/data_sets.md).

    `raw.ecg` names its folder. Without a table or headers the files are UK Biobank's, named by eid. Ids are any text;
    `index_shard/recordings.csv` has the internal numbers (eid) by which everything else knows them.
    """

    table: str = setting(
        "",
        "csv file in the folder, a row a recording; or headers: the comments (# Age: 60) of all WFDB headers. Empty: "
        "files are named by eid, or listed by a csv with eid and path",
    )
    join: Join = setting(Join)
    file: str = setting("", "the file in the folder, with {column} for what stands in a column: '{filename_hr}.hea'")
    recording: str = setting("", f"{ENTRY} with the recording's id. Empty: the file is its id")
    subject: str = setting("", f"{ENTRY} with the subject's id; nobody is in two splits. Empty: each has one recording")
    sex: SexColumn = setting(SexColumn)
    age: str = setting("", f"{ENTRY} with the age in years. Empty: not known, as for weight and height")
    weight: str = setting("", f"{ENTRY} with the weight in kg")
    height: str = setting("", f"{ENTRY} with the height in cm")
    split: SplitColumn = setting(SplitColumn)
    labels: Labels = setting(Labels)
