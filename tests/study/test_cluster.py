"""Memory and time of a cluster's jobs: more with the subjects and the attempt, never beyond the largest node."""

import pytest

from cmr2ecg.study.cluster import job_memory_mb, job_minutes
from cmr2ecg.study.settings.run import Cluster, Need

FIT = Need(memory_mb=4000, memory_mb_per_1000=300, minutes=30, minutes_per_1000=10)
CLUSTER = Cluster(most_memory_mb=100_000, most_minutes=1000, fit=FIT)


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_each_attempt_asks_for_as_much_again(attempt):
    assert job_memory_mb(CLUSTER, "fit", 10_000, attempt) == attempt * 7000
    assert job_minutes(CLUSTER, "fit", 10_000, attempt) == attempt * 130


def test_data_count_up_to_what_is_held():
    assert job_memory_mb(CLUSTER, "fit", 40_000, 1) == 16_000
    assert job_memory_mb(CLUSTER, "fit", 40_000, 1, held_mb=2000) == 6000


def test_every_process_takes_the_base_and_all_share_the_data():
    assert job_memory_mb(CLUSTER, "fit", 10_000, 1, processes=4) == 4 * 4000 + 3000


def test_time_counts_every_fit():
    assert job_minutes(CLUSTER, "fit", 10_000, 1, fits=5) == 530
    assert job_minutes(CLUSTER, "fit", 0, 1, fits=5) == 30


def test_no_job_exceeds_the_largest_node_or_the_longest_time():
    assert job_memory_mb(CLUSTER, "fit", 40_000, 9) == 100_000
    assert job_minutes(CLUSTER, "fit", 40_000, 3) == 1000


def test_parts_of_mb_and_minutes_are_rounded_up():
    assert job_memory_mb(CLUSTER, "fit", 1, 1) == 4001
    assert job_minutes(CLUSTER, "fit", 1, 1) == 31
