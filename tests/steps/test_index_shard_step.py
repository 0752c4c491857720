"""The index of a shard, as the workflow makes it."""

import json
import os

import pandas as pd
import pytest

from cmr2ecg.steps import index_shard


def test_raw_files_below_a_folder_whose_name_is_not_utf8_are_indexed(tmp_path):
    odd = os.fsencode(tmp_path) + b"/b\xe4nder"
    os.mkdir(odd)
    for name in (b"9000001_20205_2_0.xml", b"9000001_20209_2_0.zip"):
        open(odd + b"/" + name, "w").close()
    folder = str(tmp_path)
    settings = json.dumps({"modalities": ["ecg", "cmr"], "instances": [2], "unpaired_ecgs": False})
    output = ["--visits", f"{folder}/visits.parquet", "--flow", f"{folder}/flow.csv"]
    index_shard.main(
        ["--shard", "0", "--shards", "1", "--names", "--ecg", folder, "--cmr", folder, "--settings", settings, *output]
    )
    visits = pd.read_parquet(tmp_path / "visits.parquet")
    assert visits.values.tolist() == [[9000001, 2, "9000001_20205_2_0.xml", "9000001_20209_2_0.zip", "", 9000001, ""]]


@pytest.mark.parametrize("modalities", [["ecg"], ["ecg", "cmr"]])
def test_ecgs_for_pre_trainings_alone_stay_out_of_the_cohort_even_with_an_image(tmp_path, modalities):
    rows = [(9000001, "train"), (9000002, "pretrain"), (9000003, "test")]
    (tmp_path / "list.csv").write_text("eid,path,instance,split\n")
    with open(tmp_path / "list.csv", "a") as table:
        table.writelines(f"{eid},{eid}.edf,2,{split}\n" for eid, split in rows)
    for eid, _ in rows:
        (tmp_path / f"{eid}_20209_2_0.zip").touch()
    settings = json.dumps({"modalities": modalities, "instances": [2], "unpaired_ecgs": True})
    names = {"visits": "v.parquet", "flow": "flow.csv", "unpaired": "u.parquet"}
    given = {"shard": 0, "shards": 1, "ecg": tmp_path / "list.csv", "cmr": tmp_path, "settings": settings}
    given |= {name: tmp_path / file for name, file in names.items()}
    index_shard.main(["--names", *(text for name, value in given.items() for text in (f"--{name}", str(value)))])
    visits, unpaired = (pd.read_parquet(tmp_path / names[name]) for name in ("visits", "unpaired"))
    assert visits[["eid", "split"]].values.tolist() == [[9000001, "train"], [9000003, "test"]]
    assert unpaired[["eid", "split", "cmr_path"]].values.tolist() == [[9000002, "pretrain", ""]]
