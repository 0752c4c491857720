import json
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from bench import scale
from bench.made_up import FIRST
from bench.rows import ENVIRONMENT, spent
from bench.scale import growths, over_limit, row
from bench.scale_cohort import POOL, SHARDS, mixed, write_recordings, write_tables
from cmr2ecg.cohort.duplicates import duplicate_groups, scan_recordings


def test_recordings_of_a_cohort_are_all_different():
    pool = np.random.default_rng(0).random((POOL, 300), np.float32)
    some = np.array([mixed(pool, number) for number in (0, 1, POOL, POOL + 1, 2 * POOL, 77 * POOL, 77 * POOL + 400)])
    assert duplicate_groups(scan_recordings(some.__getitem__, len(some), "test"), some.__getitem__, 0.999) == []
    assert len({(n % POOL, (n // POOL + 1 + n % POOL) % POOL) for n in range(50_000)}) == 50_000
    assert all(n % POOL != (n // POOL + 1 + n % POOL) % POOL for n in range(50_000))


def test_a_part_of_the_cohort_is_its_first_shards(tmp_path):
    write_recordings(tmp_path, 2 * SHARDS, sparse=True)
    part, whole = (write_tables(tmp_path, 2 * SHARDS, shards) for shards in (SHARDS // 4, SHARDS))
    assert len(part.eids) == SHARDS // 2
    assert len(whole.eids) == 2 * SHARDS
    held = [h5py.File(path)["eid"][:] for path in part.folder.glob("ecg_*.h5")]
    assert sorted(np.concatenate(held)) == part.eids.tolist()
    assert min(whole.eids) == FIRST
    assert pd.read_parquet(part.folder / "phenotypes.parquet").shape == (SHARDS // 2, 62)
    size = sum(path.stat().st_size for path in tmp_path.glob("*.h5"))
    assert size < 2 * SHARDS * 40_000  # against half a megabyte a subject


def made_up(name="stream_epoch", subjects=10_000, seconds=5.0, peak=900):
    return row(name, subjects, seconds, peak, 60, 2448, "")


def test_limits_of_time_memory_and_growth_are_judged():
    assert over_limit([made_up(), made_up(subjects=40_044, peak=1400)]) == []
    assert over_limit([made_up(seconds=61.0)]) == ["stream_epoch at 10000 subjects: 61 s, not 60"]
    assert over_limit([made_up(peak=2500)]) == ["stream_epoch at 10000 subjects: 2500 MB, not 2448"]
    grown = [made_up(subjects=10_000, peak=500), made_up(subjects=40_000, peak=1400)]
    assert growths(grown) == {"stream_epoch": 300.0}
    assert over_limit(grown) == ["stream_epoch: 300 MB for 10,000 further subjects, not 200"]


def test_a_small_cohort_is_not_judged_by_its_growth():
    assert growths([made_up(subjects=100, peak=500), made_up(subjects=400, peak=1400)]) == {}


def test_recordings_are_compressed_where_the_disk_is_short(tmp_path, monkeypatch):
    assert not scale.short_of_disk(tmp_path, 10)
    free = type("Usage", (), {"free": 3e9})
    monkeypatch.setattr(scale.shutil, "disk_usage", lambda _: free)
    assert scale.short_of_disk(tmp_path, 40_044)


def test_the_peak_of_a_process_is_its_own():
    here = np.ones(40_000_000)  # 320 MB of this process must not count
    used = spent("-m", "cmr2ecg.steps.index_cohort", "--help")
    assert 0 < used.cpu_seconds < 60
    assert 10 < used.peak_mb < 250 < here.nbytes / 1e6
    with pytest.raises(RuntimeError, match=r"(?s)steps.index_cohort failed: .*required"):
        spent("-m", "cmr2ecg.steps.index_cohort")


@pytest.mark.slow
@pytest.mark.long
def test_the_real_steps_run_on_a_small_cohort_and_leave_nothing_behind(tmp_path):
    names = ["index_shard", "audit_leakage", "stream_epoch"]
    command = [sys.executable, "-m", "bench.scale", "--subjects", "200", "--sparse", "--only", *names]
    subprocess.run(
        [*command, "--output", str(tmp_path / "scale.json")], check=True, capture_output=True, env=ENVIRONMENT
    )
    rows = json.loads((tmp_path / "scale.json").read_text())
    assert {found["name"] for found in rows} == {*names, *scale.NEEDED}
    assert {found["subjects"] for found in rows} == {50, 200}
    assert all(found["seconds"] > 0 and found["peak_mb"] > 50 for found in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench_scale_machine.json", "scale.json"]
