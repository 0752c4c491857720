"""Whether the packages are there that a command needs, looked at before a file of the user is blamed."""

from importlib.util import find_spec

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.failures import missing_package

# What `pip install cmr2ecg` brings, by the names of the modules; a test compares it with pyproject.toml.
CORE = ("defusedxml", "h5py", "matplotlib", "numpy", "onnxruntime", "pybaselines", "safetensors", "scipy", "tqdm")


def check_core() -> None:
    """Stop if a package of the core is missing; none is imported.

    Raises:
        InputError: names the package and the command that installs it.
    """
    for name in CORE:
        if find_spec(name) is None:
            raise InputError(missing_package(name, "cmr2ecg"))
