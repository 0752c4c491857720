"""Nothing that people share holds an id or says where raw files lie: Snakemake's report over a run that is made up."""

import re
from pathlib import Path

import pytest
from drive_snakemake import copy_repository, planned, snakemake

from cmr2ecg.study.named_subjects import read_named

pytestmark = pytest.mark.slow
EIDS = [9000001, 9000002]
TABLES = ("tabular", "withdrawn", "excluded", "boxes")
PLAN = """\
cohort: hidden
shards: 1
finetune: {encoders: [supervised, mmcl], targets: [cad]}
probe: {encoders: [random], targets: [cad]}
train_tabular: {targets: [cad]}
balance_subset: {fractions: [100]}
sweep_tabular: {targets: []}
release: {encoders: [mmcl], onnx: false}
make_figure: {eids: [9000001, 9000002]}
"""


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """A clone with a config whose results Snakemake takes for finished: empty files under the right names."""
    clone = tmp_path_factory.mktemp("clone")
    secret = tmp_path_factory.mktemp("where_participants_lie")
    copy_repository(clone)
    for kind, field in (("ecg", "20205_2_0.xml"), ("cmr", "20209_2_0.zip"), ("segmentations", "20209_2_0.nii.gz")):
        (secret / kind).mkdir()
        for eid in EIDS:
            (secret / kind / f"{eid}_{field}").touch()
    for name in TABLES:
        (secret / f"{name}.csv").write_text("eid\n")
    kinds = {"ecg": "ecg", "cmr": "cmr", "segmentations": "segmentations"}
    kinds |= {name: f"{name}.csv" for name in TABLES}
    raw = "".join(f"  {kind}: [{secret / name}]\n" for kind, name in kinds.items())
    (clone / "hidden.yaml").write_text(f"{PLAN}raw:\n{raw}")
    listed = snakemake(clone, "--configfile", "hidden.yaml", "--summary")
    outputs = re.findall(r"^(results/hidden/\S+)\t", listed.stdout, re.MULTILINE)
    assert "results/hidden/make_figure/figure_6.png" in outputs, listed.stdout + listed.stderr
    for name in outputs:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch()
    touched = snakemake(clone, "--configfile", "hidden.yaml", "--touch")
    assert touched.returncode == 0, touched.stdout + touched.stderr
    (clone / "secret").write_text(str(secret))
    (clone / "said").write_text(touched.stderr)
    return clone


def test_the_report_holds_no_id_and_no_path_of_a_raw_file(made_up):
    done = snakemake(made_up, "--configfile", "hidden.yaml", "--report", "report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (made_up / "report.html").read_text()
    assert "crop_cmr" in report and "figure_6.png" in report and "read_tabular" in report
    assert [eid for eid in EIDS if str(eid) in report] == []
    assert Path((made_up / "secret").read_text()).name not in report
    version, eids = read_named(made_up / "results/hidden/index_shard/named_subjects.json")
    assert eids == EIDS and report.count(version) == 2  # of the two figures that show them


def test_the_end_says_what_there_is_for_this_cohort_and_a_run_with_nothing_to_do_says_nothing(made_up):
    said = (made_up / "said").read_text()
    assert "make report CONFIG=hidden.yaml COHORT=hidden writes results/hidden/report.html" in said
    assert "cmr2ecg predict YOUR_ECG.xml --model results/hidden/release/mmcl --out predictions" in said
    again = snakemake(made_up, "--configfile", "hidden.yaml")
    assert again.returncode == 0 and "make report" not in again.stdout + again.stderr


def test_other_subjects_rerun_the_figures_that_show_them(made_up):
    assert planned(made_up, "--configfile", "hidden.yaml") == {}
    config = made_up / "hidden.yaml"
    (made_up / "other.yaml").write_text(config.read_text().replace("9000002]", "9000003]"))
    plan = planned(made_up, "--configfile", "other.yaml")
    assert plan == {"make_figure": 2, "track": 1, "audit_withdrawn": 1}
