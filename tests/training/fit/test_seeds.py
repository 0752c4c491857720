"""Finished seeds are kept beside the result: a rerun trains what is missing, and nothing of other inputs survives."""

import pandas as pd
import pytest

from cmr2ecg.training.fit.seeds import SeedStore, prediction_rows


@pytest.fixture
def trained():
    return []


@pytest.fixture
def run(tmp_path, trained):
    def fit(seed):
        trained.append(seed)
        return prediction_rows(seed, [9000001], "val", "cad", [1], [0.5]), [{"seed": seed}], {"val_auroc": 0.5}

    def start(seeds, cache_key="a", **cache_keys):
        of_all = dict.fromkeys(seeds, cache_key) | {int(seed[1:]): own for seed, own in cache_keys.items()}
        return SeedStore(tmp_path).run(of_all, fit, label="x")

    return start


def test_a_killed_job_goes_on_with_the_next_seed(tmp_path, trained, run):
    run([1])
    results = run([1, 2, 3])
    assert trained == [1, 2, 3]
    assert pd.concat([table for table, _, _ in results])["seed"].tolist() == [1, 2, 3]


def test_deleting_one_seed_retrains_that_seed_only(tmp_path, trained, run):
    first = run([1, 2, 3])
    SeedStore(tmp_path).write_outcome(
        [(table, rows, {**summary, "best_epoch": 0, "parameters": 1}) for table, rows, summary in first], {}
    )
    (tmp_path / "seeds/2.parquet").unlink()
    run([1, 2, 3])
    assert trained == [1, 2, 3, 2]


def test_one_seed_more_trains_that_seed_only(trained, run):
    run([1, 2])
    run([1, 2, 3])
    assert trained == [1, 2, 3]


def test_a_seed_whose_own_inputs_changed_is_trained_again_alone(tmp_path, trained, run):
    run([1, 2])
    run([1, 2], _2="b")
    assert trained == [1, 2, 2]


def test_other_inputs_leave_no_file_of_the_old_ones(tmp_path, trained, run):
    run([1, 2])
    (tmp_path / "seeds/2.safetensors").write_text("weights")
    run([1], cache_key="other settings")
    assert trained == [1, 2, 1]
    assert {path.name for path in (tmp_path / "seeds").iterdir()} == {"1.json", "1.parquet"}


def test_a_damaged_summary_is_trained_again(tmp_path, trained, run):
    run([1])
    (tmp_path / "seeds/1.json").write_text("{")
    run([1])
    assert trained == [1, 1]


@pytest.mark.parametrize(("keep", "left"), [("best", {"2"}), ("all", {"1", "2"}), ("none", set())])
def test_weights_that_are_kept(tmp_path, keep, left):
    (tmp_path / "seeds").mkdir()
    for seed in (1, 2):
        (tmp_path / f"seeds/{seed}.safetensors").write_text(f"weights {seed}")
    SeedStore(tmp_path).keep_weights({1: 0.6, 2: 0.7}, keep)
    assert {path.stem for path in (tmp_path / "seeds").iterdir()} == left
    model = tmp_path / "model.safetensors"
    assert model.exists() == bool(left) and (not left or model.read_text() == "weights 2")


def test_a_skipped_fit_has_no_prediction_and_says_why(tmp_path, run):
    run([1])
    SeedStore(tmp_path).write_skipped({"name": "x"}, "too few")
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert list(table.columns) == ["seed", "eid", "split", "output", "y_true", "y_score"] and table.empty
    assert '"skipped": "too few"' in (tmp_path / "result.json").read_text()
    assert not (tmp_path / "seeds").exists()
