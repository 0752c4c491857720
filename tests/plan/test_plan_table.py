import csv
import json

import pandas as pd
import pytest
from paper_settings import paper_settings
from plan_setups import COHORT, estimate, fit_job, mae_job, rates

from cmr2ecg.plan.check import check, recorded_jobs, recorded_seconds, stage_of
from cmr2ecg.plan.cohort import cohort_of
from cmr2ecg.plan.cost import Cost, Gpu, Span
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.steps import line_of
from cmr2ecg.plan.table import rows_of, short, summary, write_csv, write_markdown, written
from cmr2ecg.simulate.subject import FIRST_EID


@pytest.fixture
def costs():
    jobs = [mae_job(), fit_job("cad"), fit_job("lv"), Job("split_subjects", {}, 1, {}, {})]
    return [(job, estimate().of(job)) for job in jobs]


def test_rows_add_up(costs):
    *rows, total = rows_of(costs)
    assert {row.rule: row.jobs for row in rows} == {"pretrain_mae": 1, "finetune": 2, "split_subjects": 1}
    assert total.jobs == 4
    assert total.core_hours.high == pytest.approx(sum(row.core_hours.high for row in rows))
    assert total.memory_gb == max(row.memory_gb for row in rows)
    seconds = sum(cost.seconds.likely * job.threads for job, cost in costs)
    assert total.core_hours.likely == pytest.approx(seconds / 3600)


def test_the_same_table_in_three_forms(costs, tmp_path):
    rows = rows_of(costs)
    write_csv(tmp_path / "plan.csv", rows)
    write_markdown(tmp_path / "plan.md", rows)
    with open(tmp_path / "plan.csv", newline="") as handle:
        read = list(csv.DictReader(handle))
    assert [row["rule"] for row in read] == [row.rule for row in rows]
    assert float(read[-1]["core_hours"]) == pytest.approx(rows[-1].core_hours.likely, rel=1e-5)
    lines = (tmp_path / "plan.md").read_text().splitlines()
    assert len(lines) == len(rows) + 2 and len({line.count("|") for line in lines}) == 1
    terminal = written(rows).splitlines()
    assert len({len(line) for line in terminal}) == 1 and "pretrain_mae" in written(rows)


def test_what_is_assumed_is_called_so(costs):
    text = " ".join(summary(rows_of(costs), COHORT, rates(), Gpu(120, 0.3)).split())
    assert "Assumed, not measured: a GPU of 120 TFLOP/s, of which 30% are reached" in text and "1,000 subjects" in text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.001234, "0.0012"), (3.44, "3.4"), (12345, "12,000")])
def test_two_digits(value, text):
    assert short(value) == text


def test_recorded_times_are_those_of_snakemake(tmp_path):
    folder = tmp_path / ".snakemake/metadata"
    folder.mkdir(parents=True)
    for name, rule, log, start, end in (
        ("a", "finetune_mae", "1.log", 10, 14),
        ("b", "finetune_mae", "1.log", 10, 14),  # another output of the same job
        ("c", "finetune_mmcl", "2.log", 10, 16),
        ("d", "evaluate", "3.log", 20, 21),
    ):
        record = {"rule": rule, "log": [log], "starttime": start, "endtime": end}
        (folder / name).write_text(json.dumps(record))
    (folder / "e").write_text("{")
    assert recorded_seconds(tmp_path) == {"finetune": 10, "evaluate": 1}
    assert recorded_jobs(tmp_path, "3") == {("evaluate", "3.log"): 1}
    with pytest.raises(FileNotFoundError, match="no record"):
        recorded_seconds(tmp_path / "elsewhere")


def test_the_check_compares_what_both_have():
    nothing = Span()
    costs = [
        (Job("finetune_mae", {}, 1), Cost(Span(5, 10, 20), nothing, nothing, 0, 0)),
        (Job("probe_mae", {}, 1), Cost(Span(1, 2, 3), nothing, nothing, 0, 0)),
    ]
    text = check(costs, {"finetune": 5.0, "evaluate": 1.0})
    line = next(line for line in text.splitlines() if line.startswith("fine-tuning"))
    assert line.split()[1:] == ["10.0", "5", "to", "20", "5.0", "2.00"]
    assert "probe" not in text and text.splitlines()[-1].split()[0] == "total"


def test_every_step_has_a_stage():
    from cmr2ecg.runtime.imports import SOURCE

    steps = {path.stem for path in (SOURCE / "cmr2ecg/steps").glob("*.py")} - {"__init__"}
    assert {step for step in steps if stage_of(step) == "other"} == set()


def test_the_papers_cohort_before_any_data_is_there(tmp_path):
    cohort = cohort_of(paper_settings(), tmp_path)
    assert cohort.split == {"train": 28030, "val": 6007, "test": 6007}
    assert cohort.trained_on("cad", 100) == pytest.approx(4030, rel=0.01)  # the authors' balanced training set
    assert cohort.trained_on("cad", 1) == pytest.approx(40, abs=2)


def test_a_given_number_of_subjects(tmp_path):
    assert cohort_of(paper_settings(), tmp_path, 1000).subjects == 1000


def test_a_finished_data_stage_is_counted(tmp_path):
    eids = FIRST_EID + pd.RangeIndex(20).to_numpy()
    for name in ("index_cohort", "split_subjects", "read_tabular"):
        (tmp_path / name).mkdir()
    pd.DataFrame({"eid": eids}).to_parquet(tmp_path / "index_cohort/visits.parquet")
    split = pd.DataFrame({"eid": eids, "split": ["train"] * 12 + ["val"] * 4 + ["test"] * 4})
    split.to_csv(tmp_path / "split_subjects/split.csv", index=False)
    labels = pd.DataFrame({"eid": eids, "cad": [1, 0, 0] * 6 + [0, 0]})
    labels.to_parquet(tmp_path / "read_tabular/labels.parquet")
    phenotypes = pd.DataFrame({"eid": eids, "LVEF": [60.0, None] * 10})
    phenotypes.to_parquet(tmp_path / "read_tabular/phenotypes.parquet")
    cohort = cohort_of(paper_settings(), tmp_path)
    assert (cohort.subjects, cohort.files) == (20, 20)
    assert cohort.trained_on("cad", 100) == 8 and cohort.trained_on("lv", 100) == 6


class Steps:
    """Steps whose clock is wound by hand: 10 ms each and 1 ms a subject."""

    def __init__(self, size, clock):
        self.size, self.clock, self.parameters = size, clock, 7

    def step(self):
        self.clock[0] += 0.010 + 0.001 * self.size

    def with_batch(self, size):
        return Steps(size, self.clock)

    def saved_bytes(self):
        return 5.0

    def operations(self):
        self.step()
        return 3.0


def test_a_line_through_two_batch_sizes(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("cmr2ecg.plan.steps.timed", lambda work, threads: -clock[0] + (work(), clock[0])[1])
    monkeypatch.setattr("cmr2ecg.plan.steps.KIND_SECONDS", 0.0)
    line = line_of(lambda size: Steps(size, clock), {"batch_size": 64})
    assert line.per_step == pytest.approx(0.010) and line.per_subject == pytest.approx(0.001)
    assert (line.saved_bytes, line.parameters, line.operations) == (5.0, 7, 3.0)


def test_a_busy_machine_is_told_of():
    from cmr2ecg.plan.__main__ import busy_note

    assert "15 other programs" in busy_note(15.2, 2, 2)
    assert busy_note(15.2, 2, 1) == busy_note(0.3, 2, 2) == ""
