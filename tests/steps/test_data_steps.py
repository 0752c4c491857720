"""The data steps, run one after the other as the workflow runs them."""

import json
import os
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from cohort.raw_files import CLEAN, CROP, FIRST, TABULAR, counts, visits, write_cmr, write_ecg
from executed_code import executed, not_covered
from paper_settings import changed

from cmr2ecg.runtime.command import InputError
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml

SUBJECTS, SHARDS = 40, 2
EIDS = [FIRST + number for number in range(SUBJECTS)]
NO_ECG, NO_CMR, WITHDRAWN, BAD_ECG, BAD_CMR, SMALL_STACK, NO_ROW = EIDS[:7]
KEPT = EIDS[7:]
INDEX = {"modalities": ["ecg", "cmr"], "instances": [2, 3], "unpaired_ecgs": False}
RAN: dict[str, set] = {}  # by step: the definitions that ran


def step(name, settings, **arguments):
    """Run a step's main in this process."""
    argv = ["--settings", json.dumps(settings)]
    for option, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        argv += [f"--{option.replace('_', '-')}", *map(str, values)]
    import_module(f"cmr2ecg.steps.{name}").main(argv)


def observed(name, settings, **arguments):
    """Run a step and note what ran."""
    with executed() as ran:
        step(name, settings, **arguments)
    RAN.setdefault(name, set()).update(ran)


def write_raw(folder: Path) -> None:
    """Forty subjects who share three files, and some with something wrong."""
    ecg, cmr = folder / "ecg", folder / "cmr" / "deep"
    source_ecg, source_cmr = write_ecg(folder, FIRST), write_cmr(folder, FIRST)
    for kind, source in ((ecg, source_ecg), (cmr, source_cmr)):
        kind.mkdir(parents=True)
        for eid in EIDS:
            target = kind / source.name.replace(str(FIRST), str(eid))
            if eid != (NO_ECG if kind == ecg else NO_CMR):
                os.link(source, target)
        source.unlink()
    for path, content in (
        (ecg / f"{BAD_ECG}_20205_2_0.xml", cardiosoft_xml(np.zeros((12, 5000), int))),
        (cmr / f"{BAD_CMR}_20209_2_0.zip", b"no zip"),
    ):
        path.unlink()
        path.write_bytes(content)
    small = cmr / f"{SMALL_STACK}_20209_2_0.zip"
    small.unlink()
    write_cmr(cmr, SMALL_STACK, np.zeros((3, 12, 32, 32), np.uint16))
    (folder / "withdrawn.csv").write_text(f"{WITHDRAWN}\n")
    table = pd.DataFrame({"eid": [eid for eid in EIDS if eid != NO_ROW]})
    for column, value in {
        "31-0.0": 1,
        "21003-2.0": 60,
        "21002-2.0": 70,
        "50-2.0": 170,
        "24100-2.0": 150,
        "53-2.0": "2016-05-04",
        **{f"{field}-0.0": None for field in (41280, 41202, 41262, 41204, 40000)},
    }.items():
        table[column] = value
    number = np.arange(len(table))
    table["41270-0.0"] = np.where(number % 3 == 0, "I251", None)
    table["40001-0.0"], table["40002-0.0"] = np.where(number % 4 == 0, "I48", None), None
    table.to_csv(folder / "tabular.csv", index=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    raw, out = folder / "raw", folder / "results"
    write_raw(raw)
    index = {"visits": out / "index/visits.parquet", "flow": out / "index/flow.csv"}
    withdrawn = raw / "withdrawn.csv"
    parts = [{"visits": out / f"shard/{n}.parquet", "flow": out / f"shard/{n}.flow.csv"} for n in range(SHARDS)]
    for shard, part in enumerate(parts):
        folders = {"ecg": raw / "ecg", "cmr": raw / "cmr", "withdrawn": withdrawn}
        observed(
            "index_shard",
            INDEX,
            shard=shard,
            shards=SHARDS,
            **folders,
            **part,
        )
    shard_files = {f"shard_{kind}": [part[kind] for part in parts] for kind in ("visits", "flow")}
    observed("index_cohort", {}, **shard_files, **index)
    for shard in range(SHARDS):
        for name, settings in (("clean_ecg", CLEAN.model_dump()), ("crop_cmr", CROP.model_dump())):
            files = {"output": out / f"{name}/{shard}.h5", "qc": out / f"{name}/{shard}.qc.csv"}
            observed(name, settings, visits=parts[shard]["visits"], **files)
    tables = {name: out / f"tabular/{name}.parquet" for name in ("covariates", "labels", "dates", "phenotypes")}
    observed("read_tabular", TABULAR.model_dump(), tabular=raw / "tabular.csv", visits=index["visits"], **tables)
    assemble(out, out, index["flow"])
    shares = {"method": "stratified", "train": 0.7, "val": 0.15, "test": 0.15, "seed": 1}
    split = out / "split.csv"
    of_subjects = {"labels": tables["labels"], "visits": index["visits"]}
    observed("split_subjects", shares, dataset=out / "dataset/dataset.h5", **of_subjects, output=split)
    for fraction in (100, 10, 1):
        subset = {"target": "cad", "fraction": fraction, "output": out / f"cad_{fraction}.csv"}
        observed(
            "balance_subset",
            {"balance": "pairs", "seed": 1, "minimum_pairs": 2, "draws": 1},
            values=tables["labels"],
            split=split,
            **subset,
        )
    return out


@pytest.fixture(scope="module")
def unpaired(results):
    """The same cohort with its unpaired ECGs; the pairs' shards are those of `results`."""
    raw, out = results.parent / "raw", results / "with_unpaired"
    parts = {name: [] for name in ("visits", "flow", "unpaired", "output", "qc")}
    for shard in range(SHARDS):
        part = {"visits": f"{shard}.parquet", "flow": f"{shard}.flow.csv", "unpaired": f"{shard}.unpaired.parquet"}
        part = {name: out / "shard" / file for name, file in part.items()}
        folders = {"ecg": raw / "ecg", "cmr": raw / "cmr", "withdrawn": raw / "withdrawn.csv"}
        observed("index_shard", {**INDEX, "unpaired_ecgs": True}, shard=shard, shards=SHARDS, **folders, **part)
        cleaned = {"output": out / f"clean_ecg/{shard}.unpaired.h5", "qc": out / f"clean_ecg/{shard}.unpaired.qc.csv"}
        observed("clean_ecg", CLEAN.model_dump(), visits=part["unpaired"], **cleaned)
        for name, path in {**part, **cleaned}.items():
            parts[name].append(path)
    index = {"visits": out / "index/visits.parquet", "flow": out / "index/flow.csv"}
    observed("index_cohort", {}, shard_visits=parts["visits"], shard_flow=parts["flow"], **index)
    assemble(results, out, index["flow"], unpaired_ecg=parts["output"], unpaired_qc=parts["qc"])
    return out


def assemble(results, out, flow, **unpaired):
    """Assemble the data set of the shards in `results` in out/dataset."""
    ecg, cmr = results / "clean_ecg", results / "crop_cmr"
    files = {"output": out / "dataset/dataset.h5", "flow": out / "dataset/flow.csv"}
    observed(
        "assemble_dataset",
        {},
        index_flow=flow,
        ecg=[ecg / f"{shard}.h5" for shard in range(SHARDS)],
        ecg_qc=[ecg / f"{shard}.qc.csv" for shard in range(SHARDS)],
        cmr=[cmr / f"{shard}.h5" for shard in range(SHARDS)],
        cmr_qc=[cmr / f"{shard}.qc.csv" for shard in range(SHARDS)],
        labels=results / "tabular/labels.parquet",
        **({"unpaired": out / "dataset/unpaired.h5", **unpaired} if unpaired else {}),
        **files,
    )


def test_with_unpaired_ecgs_the_pairs_stay_the_same(results, unpaired):
    for shard in range(SHARDS):
        pairs = pd.read_parquet(results / f"shard/{shard}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(unpaired / f"shard/{shard}.parquet"), pairs)
    with h5py.File(results / "dataset/dataset.h5") as before, h5py.File(unpaired / "dataset/dataset.h5") as after:
        assert before["eid"][:].tolist() == after["eid"][:].tolist() == KEPT
        assert before.attrs["content"] == after.attrs["content"]


def test_unpaired_ecgs_are_those_that_passed_without_an_image(unpaired):
    with h5py.File(unpaired / "dataset/unpaired.h5") as file, h5py.File(unpaired / "dataset/dataset.h5") as pairs:
        assert list(file) == ["ecg", "eid"]
        assert file["eid"][:].tolist() == [NO_CMR, BAD_CMR, SMALL_STACK]
        for ecg in file["ecg"]:
            np.testing.assert_array_equal(ecg, pairs["ecg"][0])  # all share one file


def test_unpaired_ecgs_need_their_qc(results, tmp_path, capsys):
    files = {"output": tmp_path / "dataset.h5", "flow": tmp_path / "flow.csv", "unpaired": tmp_path / "unpaired.h5"}
    ecg = {"ecg": results / "clean_ecg/0.h5", "ecg_qc": results / "clean_ecg/0.qc.csv"}
    labels = results / "tabular/labels.parquet"
    with pytest.raises(SystemExit):
        step("assemble_dataset", {}, index_flow=results / "index/flow.csv", labels=labels, **ecg, **files)
    assert "--unpaired: without --unpaired-qc every ECG is in the data set" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_flow_says_whose_ecg_is_kept(results, unpaired):
    flow = pd.read_csv(unpaired / "dataset/flow.csv")
    assert flow["n_in"].tolist()[1:] == flow["n_out"].tolist()[:-1]
    assert flow["n_out"].iloc[-1] == len(KEPT)
    cost = (flow["n_in"] - flow["n_out"]).set_axis(flow["reason"])
    kept = cost[cost.index.str.endswith(", ECG kept for masked modelling")]
    assert kept.sum() == 3 and kept["CMR: no file of the ECG's visit, ECG kept for masked modelling"] == 1
    assert cost["no ECG file"] == cost["withdrawn"] == cost["no row in the tables"] == 1 and "no CMR file" not in cost
    assert flow.shape[1] == pd.read_csv(results / "dataset/flow.csv").shape[1]


def test_the_fingerprint_of_each_step_covers_the_code_that_ran(results, unpaired):
    assert len(RAN["clean_ecg"]) > 30 and len(RAN["crop_cmr"]) > 60
    assert not any(not_covered(name, ran) for name, ran in RAN.items())


def test_the_dataset_holds_the_subjects_that_passed_everything(results):
    with h5py.File(results / "dataset/dataset.h5") as file:
        assert file["eid"][:].tolist() == KEPT
        assert (file["ecg"].shape, file["ecg"].dtype) == ((len(KEPT), 12, 5000), np.float32)
        assert (file["cmr"].shape, file["cmr"].dtype) == ((len(KEPT), 3, 210, 210), np.float16)
        assert file["ecg"][5].std() == pytest.approx(1, rel=1e-3)
        cmr = file["cmr"][[3, 20]].astype(float)
        assert cmr.min() >= 0 and cmr.max() <= 1 and cmr.std() > 0.05


def test_the_shards_say_how_they_were_made(results):
    with h5py.File(results / "clean_ecg/0.h5") as file:
        assert file.attrs["sampling_rate_hz"] == 500 and file.attrs["leads"][3] == "aVR"
        assert file["ecg"].chunks == (1, 12, 5000) and file["eid"].dtype == np.int64
    with h5py.File(results / "crop_cmr/1.h5") as file:
        size = len(file["eid"])
        assert {name: file[name].shape for name in ("box", "frames", "slice")} == {
            "box": (size, 4),
            "frames": (size, 3),
            "slice": (size,),
        }
        np.testing.assert_allclose(file["box"][:, 2:], 142 / 4)


def test_every_exclusion_is_counted_once_and_the_counts_chain(results):
    flow = pd.read_csv(results / "dataset/flow.csv")
    assert flow["n_in"].tolist()[1:] == flow["n_out"].tolist()[:-1]
    lost = {reason: cost for reason, cost in zip(flow["reason"], flow["n_in"] - flow["n_out"], strict=True) if cost}
    assert lost == {
        "no ECG file": 1,
        "no CMR file": 1,
        "withdrawn": 1,
        "ECG: flat lead": 1,
        "CMR: not a zip": 1,
        "CMR: too few slices": 1,
        "no row in the tables": 1,
    }
    assert flow["n_in"].iloc[0] == SUBJECTS and flow["n_out"].iloc[-1] == len(KEPT)


def test_a_withdrawn_subject_is_in_no_file(results):
    for path in results.rglob("*.csv"):
        assert str(WITHDRAWN) not in path.read_text()
    for path in results.rglob("*.parquet"):
        assert WITHDRAWN not in pd.read_parquet(path)["eid"].tolist()
    for path in results.rglob("*.h5"):
        with h5py.File(path) as file:
            assert WITHDRAWN not in file["eid"][:]


def test_splits_and_subsets(results):
    split = pd.read_csv(results / "split.csv")
    assert split["eid"].tolist() == KEPT
    assert split["split"].value_counts().to_dict() == {"train": 23, "val": 5, "test": 5}
    labels = pd.read_parquet(results / "tabular/labels.parquet").set_index("eid")
    train = set(split.loc[split["split"] == "train", "eid"])
    subsets = [pd.read_csv(results / f"cad_{fraction}.csv") for fraction in (100, 10, 1)]
    for larger, smaller in pairwise(subsets):
        assert set(smaller["eid"]) <= set(larger["eid"]) <= train
    for subset in subsets:
        assert subset["label"].mean() == 0.5
        assert (labels["cad"].loc[subset["eid"]].to_numpy() == subset["label"]).all()


def test_one_recording_under_many_eids_stops_the_run(results):
    """All these subjects share one ECG and one CMR file."""
    tables = {"split": results / "split.csv", "labels": results / "tabular/labels.parquet"}
    tables |= {"dataset": results / "dataset/dataset.h5", "visits": results / "index/visits.parquet"}
    outputs = {"output": results / "audit.json", "duplicates": results / "duplicates.csv"}
    with pytest.raises(InputError, match=r"more than one split under two eids: cmr 1, ecg 1\."):
        step("audit_leakage", {"duplicate_correlation": 0.999}, **tables, **outputs)
    assert len(pd.read_csv(results / "duplicates.csv")) == 2 * len(KEPT) and not (results / "audit.json").exists()


def test_whole_run_problems_are_one_line_that_names_the_setting(tmp_path):
    (tmp_path / "ecg").mkdir()
    (tmp_path / "cmr").mkdir()
    part = {"visits": tmp_path / "part.parquet", "flow": tmp_path / "part.csv"}
    shard = {
        "settings": INDEX,
        "shard": 0,
        "shards": 1,
        "cmr": tmp_path / "cmr",
        **part,
    }
    with pytest.raises(InputError, match=r"raw\.ecg: there is no folder"):
        step("index_shard", ecg=tmp_path / "nowhere", **shard)
    assert not part["visits"].exists()
    step("index_shard", ecg=tmp_path / "ecg", **shard)
    whole = {"visits": tmp_path / "visits.parquet", "flow": tmp_path / "flow.csv"}
    with pytest.raises(InputError, match="no subject has both"):
        step("index_cohort", {}, shard_visits=part["visits"], shard_flow=part["flow"], **whole)
    assert not whole["visits"].exists()


def test_an_error_ends_the_process_with_one_line(tmp_path):
    shard = ["--settings", json.dumps(INDEX), "--shard", "0", "--shards", "1"]
    arguments = [*shard, "--ecg", "/nowhere", "--cmr", "/nowhere"]
    outputs = ["--visits", str(tmp_path / "v.parquet"), "--flow", str(tmp_path / "f.csv")]
    done = run_python(["-m", "cmr2ecg.steps.index_shard", *arguments, *outputs])
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and "raw.ecg" in done.stderr


def run_python(arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("name", ["index_shard", "clean_ecg", "crop_cmr", "read_tabular", "split_subjects"])
def test_data_steps_start_without_the_learning_libraries(name):
    code = f"import sys, cmr2ecg.steps.{name}; print({{'torch', 'sklearn', 'matplotlib'}} & set(sys.modules))"
    assert run_python(["-c", code]).stdout.strip() == "set()"


# VmHWM, not ru_maxrss: the latter starts at the size of the process that started this one
MEASURE = "import re, sys; from cmr2ecg.steps.{name} import main; main(sys.argv[1:]); "
MEASURE += "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("clean_ecg", changed(CLEAN, samples=500, quality={"minimum_beats": 0})),
        ("crop_cmr", changed(CROP, size=64)),
    ],
)
def test_peak_memory_is_the_same_for_100_and_400_subjects(tmp_path, name, settings):
    ecg = write_ecg(tmp_path, FIRST, content=cardiosoft_xml(counts(0, 600)))
    cmr = write_cmr(tmp_path, FIRST)
    peaks = []
    for size in (100, 400):
        table = visits(tmp_path / f"{size}.parquet", {"ecg_path": [ecg] * size, "cmr_path": [cmr] * size})
        arguments = ["--settings", settings.model_dump_json(), "--visits", str(table)]
        outputs = ["--output", str(tmp_path / "x.h5"), "--qc", str(tmp_path / "x.csv")]
        done = run_python(["-c", MEASURE.format(name=name), *arguments, *outputs])
        assert done.returncode == 0, done.stderr
        assert (pd.read_csv(tmp_path / "x.csv")["status"] == "accepted").all()
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0]
