"""The audits: what they let pass, what ends the run, and that no message shows an eid."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from steps.test_data_steps import step

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.phenotypes import phenotype_names

N = 60
EIDS = 9000001 + np.arange(N)
SPLIT = np.repeat(["train", "val", "test"], [40, 10, 10])


@pytest.fixture
def cohort(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "dataset.h5", "w") as file:
        file["eid"] = EIDS
        file["ecg"] = rng.normal(size=(N, 12, 50)).astype("f4")
        file["cmr"] = rng.random((N, 3, 9, 9)).astype("f2")
    pd.DataFrame({"eid": EIDS, "split": SPLIT}).to_csv(tmp_path / "split.csv", index=False)
    pd.DataFrame({"eid": EIDS, "cad": np.arange(N) % 4 == 0}).astype(int).to_parquet(tmp_path / "labels.parquet")
    pd.DataFrame({"eid": EIDS, "instance": 2, "subject": EIDS}).to_parquet(tmp_path / "visits.parquet")
    return tmp_path


def copy_recording(folder, name, source, target, scale=1.0):
    with h5py.File(folder / "dataset.h5", "a") as file:
        file[name][target] = file[name][source] * scale


def audit(folder):
    names = {"dataset": "dataset.h5", "split": "split.csv", "labels": "labels.parquet", "visits": "visits.parquet"}
    outputs = {"output": folder / "audit.json", "duplicates": folder / "duplicates.csv"}
    step("audit_leakage", {"duplicate_correlation": 0.999}, **{k: folder / v for k, v in names.items()}, **outputs)
    return json.loads((folder / "audit.json").read_text())


def write_unpaired(folder, eids, ecg=None):
    """unpaired.h5 with ECGs (n, 12, 50), noise if left out."""
    ecg = np.random.default_rng(1).normal(size=(len(eids), 12, 50)) if ecg is None else ecg
    with h5py.File(folder / "unpaired.h5", "w") as file:
        file["eid"], file["ecg"] = np.asarray(eids, np.int64), ecg.astype("f4")


def audit_with_unpaired(folder):
    names = {"dataset": "dataset.h5", "split": "split.csv", "labels": "labels.parquet", "visits": "visits.parquet"}
    names |= {"output": "audit.json", "duplicates": "duplicates.csv"}
    names |= {"unpaired": "unpaired.h5", "unpaired_output": "unpaired.json"}
    step("audit_leakage", {"duplicate_correlation": 0.999}, **{k: folder / v for k, v in names.items()})
    return json.loads((folder / "unpaired.json").read_text())


def refused(call, match):
    with pytest.raises(InputError, match=match) as error:
        call()
    assert not re.search(r"90000\d\d", str(error.value).replace("9000001_", ""))
    return str(error.value)


def test_a_clean_cohort_passes(cohort):
    found = audit(cohort)
    assert found["subjects"] == {"train": 40, "val": 10, "test": 10}
    assert found["shared_across_splits"] == 0 and found["shared_within_a_split"] == {}
    assert found["prevalence"]["train"] == {"cad": 0.25}
    assert pd.read_csv(cohort / "duplicates.csv").empty


def test_a_recording_within_one_split_is_reported(cohort):
    copy_recording(cohort, "ecg", 3, 5)
    copy_recording(cohort, "cmr", 7, 9)
    found = audit(cohort)
    assert found["shared_within_a_split"] == {"cmr, identical": 1, "ecg, identical": 1}
    table = pd.read_csv(cohort / "duplicates.csv")
    assert table[table["recording"] == "ecg"]["eid"].tolist() == EIDS[[3, 5]].tolist()


def test_unpaired_ecgs_may_share_a_recording_with_train_and_change_nothing_about_the_pairs(cohort):
    copy_recording(cohort, "ecg", 3, 5)
    audit(cohort)
    alone = (cohort / "audit.json").read_bytes()
    with h5py.File(cohort / "dataset.h5") as file:
        ecg = np.concatenate([file["ecg"][[3, 7]], np.random.default_rng(1).normal(size=(5, 12, 50))])
    write_unpaired(cohort, 9000101 + np.arange(7), ecg)
    assert audit_with_unpaired(cohort) == {"subjects": 7, "shared_with_train_or_unpaired": 2}
    assert (cohort / "audit.json").read_bytes() == alone
    table = pd.read_csv(cohort / "duplicates.csv")
    assert table["eid"].tolist() == [*EIDS[[3, 5]], 9000101, EIDS[7], 9000102]
    assert table["split"].tolist() == ["train", "train", "unpaired", "train", "unpaired"]


@pytest.mark.parametrize(("row", "split"), [(45, "val"), (55, "test")])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_an_unpaired_ecg_of_a_subject_held_out_ends_the_run(cohort, row, split, scale):
    with h5py.File(cohort / "dataset.h5") as file:
        write_unpaired(cohort, [9000101], scale * file["ecg"][row : row + 1])
    refused(lambda: audit_with_unpaired(cohort), r"more than one split under two eids: ecg 1\..*raw\.excluded")
    assert pd.read_csv(cohort / "duplicates.csv")["split"].tolist() == [split, "unpaired"]
    assert not (cohort / "unpaired.json").exists() and not (cohort / "audit.json").exists()


def test_a_subject_of_the_data_set_among_the_unpaired_ends_the_run(cohort):
    write_unpaired(cohort, [9000101, EIDS[50]])
    refused(lambda: audit_with_unpaired(cohort), "0 rows .* repeat a subject and 1 subjects are also in the data set")
    write_unpaired(cohort, [9000101, 9000101])
    refused(lambda: audit_with_unpaired(cohort), "1 rows .* repeat a subject and 0 subjects")


def test_no_unpaired_ecg_at_all_passes(cohort):
    write_unpaired(cohort, [])
    assert audit_with_unpaired(cohort)["subjects"] == 0


@pytest.mark.parametrize(
    ("name", "scale", "kind"), [("ecg", 1.0, "identical"), ("ecg", 2.0, "correlated"), ("cmr", 1.0, "identical")]
)
def test_a_recording_in_two_splits_ends_the_run(cohort, name, scale, kind):
    copy_recording(cohort, name, 3, 45, scale)
    refused(lambda: audit(cohort), rf"more than one split under two eids: {name} 1.*duplicates\.csv.*raw\.excluded")
    table = pd.read_csv(cohort / "duplicates.csv")
    assert table["eid"].tolist() == EIDS[[3, 45]].tolist() and set(table["kind"]) == {kind}
    assert table["split"].tolist() == ["train", "val"] and not (cohort / "audit.json").exists()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("split.csv", "1 rows of the split repeat"),
        ("labels.parquet", "1 rows of the labels"),
        ("visits.parquet", "visits"),
    ],
)
def test_a_subject_that_stands_twice_ends_the_run(cohort, name, match):
    path = cohort / name
    table = pd.read_csv(path) if name.endswith("csv") else pd.read_parquet(path)
    table = pd.concat([table, table.iloc[:1]])
    table.to_csv(path, index=False) if name.endswith("csv") else table.to_parquet(path)
    refused(lambda: audit(cohort), match)


def test_splits_and_data_set_must_hold_the_same_subjects(cohort):
    split = pd.read_csv(cohort / "split.csv")
    split.iloc[1:].to_csv(cohort / "split.csv", index=False)
    refused(lambda: audit(cohort), "1 subjects of the data set are not in the split")
    other = pd.DataFrame({"eid": [9999999], "split": ["test"]})
    pd.concat([split, other]).to_csv(cohort / "split.csv", index=False)
    refused(lambda: audit(cohort), "1 subjects of the split are not in the data set")
    split.replace("val", "dev").to_csv(cohort / "split.csv", index=False)
    refused(lambda: audit(cohort), "1 splits beyond")


def subsets(cohort):
    """Write a sound pair of subsets: positives are every fourth subject of the first 40."""
    positive, negative = EIDS[:40:4], EIDS[1:40:4]
    for fraction, pairs in (("100", 10), ("10", 3)):
        eids = np.sort(np.concatenate([positive[:pairs], negative[:pairs]]))
        table = pd.DataFrame({"eid": eids, "label": np.isin(eids, positive).astype(int)})
        table.to_csv(cohort / f"cad_{fraction}.csv", index=False)


def audit_subsets(cohort):
    files = [cohort / "cad_100.csv", cohort / "cad_10.csv"]
    tables = {"split": cohort / "split.csv", "values": cohort / "labels.parquet"}
    step("audit_subsets", {}, target="cad", subsets=files, output=cohort / "subsets.json", **tables)
    return json.loads((cohort / "subsets.json").read_text())


def test_sound_subsets_pass(cohort):
    subsets(cohort)
    assert audit_subsets(cohort) == {"target": "cad", "train": 40, "subjects_by_percent": {"100": 20, "10": 6}}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.replace({"eid": {EIDS[0]: EIDS[39]}}), "1 labels differ"),
        (lambda t: t.replace({"eid": {EIDS[0]: EIDS[36]}}), None),
        (lambda t: t.replace({"eid": {EIDS[0]: EIDS[40]}}), "1 subjects are not in the training split"),
        (lambda t: t.iloc[1:], "differ in number"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "occur twice"),
    ],
)
def test_an_unsound_subset_ends_the_run(cohort, change, match):
    subsets(cohort)
    path = cohort / "cad_10.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    if match:
        refused(lambda: audit_subsets(cohort), match)
    else:  # another positive, which is in the larger subset too
        audit_subsets(cohort)


def test_subsets_that_are_not_nested_end_the_run(cohort):
    subsets(cohort)
    table = pd.read_csv(cohort / "cad_10.csv").replace({"eid": {EIDS[1]: EIDS[2]}})
    table.to_csv(cohort / "cad_10.csv", index=False)
    refused(lambda: audit_subsets(cohort), "1 subjects of cad's 10 % subset are not in its 100 % subset")


@pytest.fixture
def group(cohort):
    """The cohort with right ventricles of two in three, and three draws of a quarter of these from train."""
    values = pd.DataFrame({name: 50.0 + np.arange(N) for name in phenotype_names("rv")}).assign(eid=EIDS)
    values.loc[::3, phenotype_names("rv")] = np.nan
    values.to_parquet(cohort / "phenotypes.parquet")
    for fraction in (50, 25):
        whole = {"target": "rv", "fraction": fraction, "output": cohort / f"rv_{fraction}.csv"}
        settings = {"balance": "pairs", "seed": 1, "minimum_pairs": 1, "draws": 3}
        step("balance_subset", settings, **whole, values=cohort / "phenotypes.parquet", split=cohort / "split.csv")
    return cohort


def audit_group(cohort):
    files = [cohort / "rv_50.csv", cohort / "rv_25.csv"]
    tables = {"split": cohort / "split.csv", "values": cohort / "phenotypes.parquet"}
    step("audit_subsets", {}, target="rv", subsets=files, output=cohort / "subsets.json", **tables)
    return json.loads((cohort / "subsets.json").read_text())


def test_subsets_of_a_group_are_of_those_with_values(group):
    assert audit_group(group) == {"target": "rv", "train": 40, "subjects_by_percent": {"50": 13, "25": 10}}
    assert pd.read_csv(group / "rv_25.csv").groupby("draw").size().tolist() == [10, 10, 10]


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (EIDS[0], "1 subjects have none of the group's phenotypes"),
        (EIDS[41], "1 subjects are not in the training split"),
        (None, "1 subjects of rv's 25 % subset are not in its 50 % subset"),
    ],
)
def test_an_unsound_subset_of_a_group_ends_the_run(group, other, match):
    larger, smaller = (pd.read_csv(group / f"rv_{fraction}.csv") for fraction in (50, 25))
    beyond = np.setdiff1d(EIDS[:40][np.arange(40) % 3 > 0], larger.query("draw == 1")["eid"])
    place = smaller.index[smaller["draw"] == 1][0]
    smaller.loc[place, "eid"] = other or beyond[0]
    smaller.to_csv(group / "rv_25.csv", index=False)
    refused(lambda: audit_group(group), match)


def test_a_group_that_nobody_has_gives_an_empty_subset(cohort, capsys):
    names = phenotype_names("rv")
    pd.DataFrame(np.nan, index=range(N), columns=names).assign(eid=EIDS).to_parquet(cohort / "none.parquet")
    whole = {"target": "rv", "fraction": 10, "output": cohort / "rv_10.csv", "values": cohort / "none.parquet"}
    step(
        "balance_subset",
        {"balance": "pairs", "seed": 1, "minimum_pairs": 1, "draws": 1},
        **whole,
        split=cohort / "split.csv",
    )
    assert pd.read_csv(cohort / "rv_10.csv").empty
    assert "no subject of the training set has one of its phenotypes" in capsys.readouterr().err


def results_with(folder, *names):
    for name in names:
        path = folder / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"eid\n{EIDS[0]}\n")
    (folder / "w1_20260101.csv").write_text(f"{EIDS[0]}\n{EIDS[1]}\n")
    return folder / "results"


def audit_withdrawn(results, lists, **raw):
    output = results / "audit_withdrawn/audit.json"
    step("audit_withdrawn", {}, results=results, withdrawn=lists, output=output, **raw)
    return json.loads(output.read_text())


def test_leftovers_are_deleted_and_the_simulated_download_is_left_alone(tmp_path):
    leftovers = [
        "finetune/mmcl/cad/100/seeds/0.parquet",
        "clean_ecg/.1.h5.22.partial",
        ".mlflow.db.22.partial-journal",
        "pretrain_mae/mae/resume.pt",
    ]
    leftovers += ["audit_leakage/duplicates.csv"]
    results = results_with(tmp_path, "simulate_cohort/tabular.csv", *leftovers)
    (results / "table.csv").write_text("n\n3\n")
    found = audit_withdrawn(results, [tmp_path / "w1_20260101.csv"])
    lists = [{"subjects": 2, "with_raw_files": 0}]
    assert found == {"withdrawn": 2, "files": 1, "leftovers_deleted": 5, "lists": lists}
    assert sorted(path.name for path in results.rglob("*") if path.is_file()) == [
        "audit.json",
        "table.csv",
        "tabular.csv",
    ]


def test_a_result_with_a_withdrawn_subject_ends_the_run(tmp_path):
    results = results_with(tmp_path, "balance_subset/af_1.csv", f"figures/{EIDS[1]}.png")
    lists = [tmp_path / "w1_20260101.csv"]
    text = refused(lambda: audit_withdrawn(results, lists), "2 files below .*: balance_subset/af_?")
    assert "figures/???????.png" in text and not (results / "audit_withdrawn/audit.json").exists()


def test_a_withdrawn_subject_among_the_unpaired_ecgs_ends_the_run(tmp_path):
    results = results_with(tmp_path)
    (tmp_path / "results/assemble_dataset").mkdir(parents=True)
    write_unpaired(results / "assemble_dataset", [9000101, EIDS[1]])
    match = r"1 files .*assemble_dataset/unpaired\.h\?"
    refused(lambda: audit_withdrawn(results, [tmp_path / "w1_20260101.csv"]), match)


def test_each_list_is_held_against_the_raw_files(tmp_path, capsys):
    results = results_with(tmp_path, "simulate_cohort/a.csv")
    (tmp_path / "other.csv").write_text("9999998\n9999999\n")
    for folder, eid, ending in (("ecg", EIDS[0], "20205_2_0.xml"), ("cmr", EIDS[1], "20209_2_0.zip")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{eid}_{ending}").touch()
    lists = [tmp_path / "w1_20260101.csv", tmp_path / "other.csv"]
    found = audit_withdrawn(results, lists, ecg=tmp_path / "ecg", cmr=tmp_path / "cmr")
    assert found["lists"] == [{"subjects": 2, "with_raw_files": 2}, {"subjects": 2, "with_raw_files": 0}]
    warnings = capsys.readouterr().err
    assert "list 2 (2 subjects) has none of the 2 subjects with raw files" in warnings and "999999" not in warnings
    assert "list 1" not in warnings


def test_nobody_withdrawn_is_fine(tmp_path):
    results = results_with(tmp_path, "a.csv")
    assert audit_withdrawn(results, [])["withdrawn"] == 0
