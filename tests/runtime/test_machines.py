"""What differs between Linux and a Mac, and between a machine and the part of it that a job may use."""

import os
import resource
import sys
from types import SimpleNamespace

from cmr2ecg.runtime.memory import available_cores
from cmr2ecg.training import result


def test_the_cores_that_a_job_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert available_cores() == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_a_mac_counts_memory_in_bytes(monkeypatch):
    """Where there is no /proc: kilobytes, but bytes on a Mac."""
    monkeypatch.setattr(result, "Path", lambda _: SimpleNamespace(exists=lambda: False))
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=300 * 1024**2))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert result.peak_memory_mb() == 300
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert result.peak_memory_mb() == 300 * 1024
