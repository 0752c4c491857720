"""Which fields of a dataset are asked for."""

import io
import sys

import pytest
from paper_settings import changed

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.cohort import ReadTabular
from cmr2ecg.tables import field_list
from cmr2ecg.tables.columns import parse_column
from cmr2ecg.tables.phenotypes import phenotype_fields

RECORDS = [
    "p40000_i0",
    "p40001_i0",
    "p40001_i1",
    "p40002_i0_a1",
    "p41202",
    "p41204",
    "p41262_a0",
    "p41270",
    "p41280_a7",
]
VISITS = [f"p{field}_i{visit}" for field in (50, 53, 21002, 21003) for visit in range(4)]


def dataset(*left_out: str) -> list[str]:
    """Return lines as `dx extract_dataset --list-fields` prints them."""
    phenotypes = [f"p{field}_i{visit}" for field in phenotype_fields().values() for visit in (2, 3)]
    names = ["eid", "p31", "p22", *VISITS, *RECORDS, *phenotypes]
    lines = [f"participant.{name}\ta title | Instance 2\n" for name in names if name not in left_out]
    return [*lines, "hesin_diag.p31\tof another entity\n", "\n"]


def chosen(lines: list[str], instances=(2, 3), **settings) -> list[str]:
    return field_list.chosen(lines, changed(ReadTabular(), **settings), instances)


def test_all_that_the_paper_needs_and_nothing_else_is_chosen():
    names = chosen(dataset())
    assert names[:2] == ["participant.eid", "participant.p31"]
    assert {f"participant.{name}" for name in RECORDS} < set(names)
    columns = [parse_column(name) for name in names[1:]]
    measured = {50, 53, 21002, 21003, *phenotype_fields().values()}
    assert {column.instance for column in columns if column.field in measured} == {2, 3}
    assert len(names) == 2 + len(RECORDS) + 2 * 4 + 2 * 61 and "participant.p22" not in names


def test_only_the_visits_of_the_config_are_asked_for():
    names = chosen(dataset(), instances=[2])
    assert "participant.p24100_i2" in names and "participant.p24100_i3" not in names


def test_a_source_that_is_not_used_is_not_asked_for():
    unused = {"hospital_secondary": {"use": False}}
    assert "participant.p41204" not in chosen(dataset(), diagnoses=unused)


@pytest.mark.parametrize(
    ("missing", "setting"), [("p31", "read_tabular.fields.sex"), ("p41270", "read_tabular.diagnoses.hospital.codes")]
)
def test_a_field_the_application_lacks_is_named_with_its_setting(missing, setting):
    with pytest.raises(InputError, match=setting):
        chosen(dataset(missing))


def test_absent_phenotypes_are_only_counted(caplog):
    assert "participant.p24101_i2" in chosen(dataset("p24100_i2", "p24100_i3"))
    assert "1 of the 61 phenotypes" in caplog.text


def test_the_command_reads_overlays_and_leaves_the_entity_out(tmp_path, monkeypatch, capsys):
    config = tmp_path / "rap.yaml"
    config.write_text("index_cohort: {instances: [3]}\nread_tabular: {fields: {weight: 12143}}\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join([*dataset("p21002_i3"), "participant.p12143_i3\tweight\n"])))
    field_list.main(["--configfile", str(config), "--bare"])
    names = capsys.readouterr().out.split()
    assert names[0] == "eid" and {"p12143_i3", "p50_i3"} < set(names) and "p50_i2" not in names
