"""Check a merged configuration: each key by itself, then what several keys agree on, then that its files are there.

Every complaint is one line that names the setting. Nothing heavy is imported: Snakemake calls this at each start.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.config_agreement import disagreements
from cmr2ecg.study.data_sets import with_classes
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.settings.validated import validated


def check(config: Any) -> Settings:
    """Return the settings of a study.

    config: all settings after overlays are merged.

    Raises:
        InputError: one line for the first setting that is unknown, mistyped, missing or impossible.
    """
    settings = with_classes(validated(Settings, config, "config"))
    for complaint in disagreements(settings):
        raise InputError(f"config: {' '.join(complaint.split())}")
    return settings


def check_files(section: str, files: Mapping[str, str | None]) -> None:
    """Stop if a file named below a section is not there.

    Raises:
        InputError: names the setting and the path.
    """
    for name, path in files.items():
        if path and not os.path.isfile(path):
            raise InputError(f"{section}.{name}: there is no file {path}; correct the path in the config file")


def check_raw_paths(raw: Mapping[str, Sequence[str]]) -> None:
    """Stop if a folder or file named below `raw` is not there, or a folder stands where a file belongs.

    Raises:
        InputError: names the setting and the path.
    """
    for kind, paths in raw.items():
        what = "folder" if kind in ("ecg", "unlabelled", "cmr", "segmentations") else "file"
        for path in paths:
            if what == "file" and os.path.isdir(path):
                raise InputError(f"raw.{kind}: {path} is a folder; name the files in it, each by itself")
            try:
                mode = os.stat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                raise InputError(
                    f"raw.{kind}: there is no {what} {path}; correct the path in the config file"
                ) from None
            except OSError as error:
                raise InputError(
                    f"raw.{kind}: {path} cannot be reached ({error.strerror}); see that its disk is mounted"
                ) from None
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError(
                    f"raw.{kind}: {path} is neither a folder nor a file; correct the path in the config file"
                )
