"""The choice of a sweep as a file, and the settings a final training takes from it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from cmr2ecg.runtime.command import InputError


def apply_choice(settings: Mapping, selected: Path | None, encoder: str, target: str) -> dict:
    """Return a training's settings with those that a sweep chose in place of the config's.

    selected: select/{encoder}_{target}.json, or None where no sweep is configured.

    Raises:
        InputError: if the file is not the choice for this encoder and target.
    """
    if selected is None:
        return dict(settings)
    choice = _read(selected)
    whose, chosen = (choice["encoder"], choice["target"]), choice["settings"]
    if whose != (encoder, target):
        raise InputError(f"{selected}: is the choice for {whose[0]}/{whose[1]}, not for {encoder}/{target}")
    unknown = sorted(set(chosen) - set(settings))
    if unknown or not all(isinstance(value, int | float) and math.isfinite(value) for value in chosen.values()):
        raise InputError(f"{selected}: holds settings that {encoder} has not; delete it and run again")
    return {**settings, **chosen}


def tuned_trials(selected: Path | None) -> int:
    """Return among how many trials the settings were chosen; 0 where they are the config's."""
    return 0 if selected is None else int(_read(selected)["trials"])


def _read(selected: Path) -> dict:
    try:
        choice = json.loads(selected.read_text())
        return {name: choice[name] for name in ("encoder", "target", "trials")} | {"settings": dict(choice["settings"])}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{selected}: not a choice of the select step; delete it and run again") from error
