"""A sound short-axis zip, shared by the tests that change one thing in it."""

from pathlib import Path

import pytest
from cmr.dicom_zips import VOLUME

from cmr2ecg.simulate.sax_zip import write_sax_zip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests must leave it as it is."""
    path = tmp_path_factory.mktemp("zip") / "good.zip"
    write_sax_zip(path, VOLUME, pixel_spacing_mm=4.0, seed=3)
    return path
