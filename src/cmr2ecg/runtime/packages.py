"""Check that the packages a command needs are installed, before a user's file is blamed."""

from importlib.util import find_spec

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.failures import missing_package

# Modules installed by `pip install cmr2ecg`; a test compares them with pyproject.toml.
CORE = ("defusedxml", "h5py", "matplotlib", "numpy", "onnxruntime", "pybaselines", "safetensors", "scipy", "tqdm")


def check_core() -> None:
    """Raise if a core package is missing; none is imported.

    Raises:
        InputError: names the package and the command that installs it.
    """
    for name in CORE:
        if find_spec(name) is None:
            raise InputError(missing_package(name, "cmr2ecg"))
