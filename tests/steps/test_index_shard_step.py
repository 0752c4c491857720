"""The index of a shard, as the workflow makes it."""

import json
import os

import pandas as pd

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
