"""A subject that withdraws after a first run is in no file of the results after the second."""

import re
import shutil
from pathlib import Path

import h5py
import pandas as pd
import pytest
import yaml
from drive_snakemake import TINY, snakemake
from test_reruns import real_data_config

pytestmark = [pytest.mark.slow, pytest.mark.long]


def files_with(results: Path, eid: int) -> list[str]:
    """Return the files below `results` that hold the eid in a table, a data set, their text or their name."""
    found = []
    for path in results.rglob("*"):
        if path.is_file() and (str(eid) in path.name or holds(path, eid)):
            found.append(str(path.relative_to(results)))
    return found


def holds(path: Path, eid: int) -> bool:
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        return "eid" in table and eid in set(table["eid"])
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return eid in set(file["eid"][:].tolist())
    return re.search(rf"(?<!\d){eid}(?!\d)".encode(), path.read_bytes()) is not None


def plant_leftovers(results: Path, eid: int) -> None:
    """Leave what killed jobs leave: a half-written shard, a finished seed, a resume point, an audit's own table."""
    table = pd.DataFrame({"eid": [eid], "y_score": [0.5]})
    for name in ("clean_ecg/.0.h5.77.partial", "pretrain_mae/mae/resume.pt", "audit_leakage/duplicates.csv"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(results / name, index=False)
    seeds = results / "finetune/mmcl/af/10/seeds"
    seeds.mkdir(parents=True)
    table.to_parquet(seeds / "77.parquet")


def test_a_subject_withdrawn_after_a_first_run_is_gone(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    listed = tmp_path / "w99_20260101.csv"
    listed.write_text("")
    config = real_data_config(folder, tmp_path / "download.yaml", withdrawn=f"[{listed}]")
    settings = {**yaml.safe_load((folder / TINY).read_text()), **yaml.safe_load(config.read_text())}
    del settings["simulate_cohort"]
    settings["finetune"] |= {"encoders": ["supervised"], "targets": ["cad"], "limits": {}, "seeds": [0], "epochs": 1}
    settings["balance_subset"] = {"fractions": [100]}
    settings["probe"] |= {"encoders": ["random"], "targets": ["cad"]}
    settings["sweep"] |= {"encoders": []}
    settings |= {"release": {"encoders": []}}
    settings |= {"make_table": {"tables": [1], "supplements": []}}
    settings |= {"make_figure": {"figures": [5], "quality_figures": ["exclusion_flow"]}}
    config.write_text(yaml.safe_dump(settings))

    first = snakemake(folder, "--configfile", str(config), "--show-failed-logs")
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-6000:]
    results = folder / "results/download"
    with h5py.File(results / "assemble_dataset/dataset.h5") as file:
        eid = int(file["eid"][0])
    before = files_with(results, eid)
    assert {"split_subjects/split.csv", "assemble_dataset/dataset.h5", "read_tabular/labels.parquet"} <= set(before)

    plant_leftovers(results, eid)
    listed.write_text(f"{eid}\n")
    second = snakemake(folder, "--configfile", str(config), "--show-failed-logs")
    assert second.returncode == 0, second.stdout[-3000:] + second.stderr[-6000:]
    assert files_with(results, eid) == []
    flow = pd.read_csv(results / "assemble_dataset/flow.csv").set_index("reason")
    assert flow.loc["withdrawn", "n_in"] - flow.loc["withdrawn", "n_out"] == 1
    other = 1 - eid % 2  # the shard the subject was not in
    assert not re.search(rf"output: \S*clean_ecg/{other}\.h5", second.stderr)
