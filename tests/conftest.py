"""Shared fixtures: the reference numbers, real data where they are, a small dataset in the pipeline's layout."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from paper_settings import paper_settings
from skips import skip_line
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cmr2ecg.tables.phenotypes import phenotype_fields

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
STUDIES = ROOT / "tests/workflow"
# The same code is tested on the same draws; make test-random draws others.
settings.register_profile("repeatable", derandomize=True, deadline=None)  # a busy machine fails nothing
settings.register_profile("random", deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, those that run studies."""
    items.sort(key=lambda item: STUDIES not in item.path.parents)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give each process whole files, so that none makes another's fixtures again, and one of them all studies."""
    return WholeFiles(config, log)


class WholeFiles(LoadScopeScheduling):
    """Tests of one file, and all those that run studies, in one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return STUDIES.name if STUDIES in (ROOT / file).parents else file


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line at the end how many tests were skipped and why."""
    line = skip_line(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    if line:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    """Reference arrays of the authors' public code, see shared/golden/README.md."""
    path = SHARED / "golden/reference.npz"
    if not path.exists():
        pytest.skip("shared/golden/reference.npz is not on this machine")
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with dataset.h5, split.csv, labels, covariates, phenotypes and training subsets of 48 made-up subjects.

    The disease "cad" is a faster rhythm in the ECG and a brighter image, so that every method can learn it.
    """
    folder = tmp_path_factory.mktemp("dataset")
    rng = np.random.default_rng(0)
    n = 48
    eids, labels = 9000001 + np.arange(n), np.arange(n) % 2
    time = np.arange(5000) / 500
    phase = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    ecg = np.sin(2 * np.pi * (1 + 2 * labels[:, None, None]) * time + phase) + 0.2 * rng.standard_normal((n, 12, 5000))
    cmr = 0.3 + 0.4 * labels[:, None, None, None] + 0.05 * rng.standard_normal((n, 3, 210, 210))
    with h5py.File(folder / "dataset.h5", "w") as file:
        file["eid"] = eids
        file.create_dataset("ecg", data=ecg.astype("f4"), chunks=(1, 12, 5000))
        file.create_dataset("cmr", data=cmr.clip(0, 1).astype("f2"), chunks=(1, 3, 210, 210))
    split = np.repeat(["train", "val", "test"], [24, 12, 12])
    pd.DataFrame({"eid": eids, "split": split}).to_csv(folder / "split.csv", index=False)
    pd.DataFrame({"eid": eids, "cad": labels}).to_parquet(folder / "labels.parquet")
    covariates = pd.DataFrame({"eid": eids, "sex": labels, "age": 60.0 + 5 * labels, "weight": 70.0, "height": 170.0})
    covariates.to_parquet(folder / "covariates.parquet")
    subset = pd.DataFrame({"eid": eids[:24], "label": labels[:24]})
    for name, rows in {"subset": subset, "cad_100": subset, "cad_10": subset[:8]}.items():
        rows.to_csv(folder / f"{name}.csv", index=False)
    write_phenotypes(folder / "phenotypes.parquet", eids, labels, rng)
    return folder


def write_phenotypes(path: Path, eids: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Write the 61 phenotypes, which follow the class; a third of the subjects has none, others lack some."""
    names = list(phenotype_fields())
    values = 50 + np.arange(len(names)) + 10 * labels[:, None] + rng.standard_normal((len(eids), len(names)))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[::3] = np.nan
    pd.DataFrame(values, columns=names).assign(eid=eids).to_parquet(path)


@pytest.fixture(scope="session")
def small_models() -> dict:
    """Network sizes that train in a second."""
    return {
        "ecg_encoder": {"samples": 2500, "patch": 500, "dim": 16, "depth": 2, "heads": 2},
        "mae_decoder": {"dim": 16, "depth": 1, "heads": 2},
        "ecg_cnn": {"samples": 2500, "width": 8, "blocks": [1, 1], "kernel": 5, "dropout": 0.1},
        "cmr_encoder": {"name": "resnet10t", "image_size": 32},
        "projector": {"hidden": 32, "out": 16},
    }


@pytest.fixture(scope="session")
def ecg_augment() -> dict:
    """ECG augmentation strengths of the paper."""
    return paper_settings()["pretrain"]["mae"]["augment"]


@pytest.fixture(scope="session")
def cmr_augment() -> dict:
    """CMR augmentation strengths of the paper."""
    return paper_settings()["pretrain"]["mmcl"]["cmr_augment"]
