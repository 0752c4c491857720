"""Ablations: MMCL with one thing changed, each an encoder of its own. Light, since Snakemake reads it at each start."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # figures read `varied` from here and need no settings
    from cmr2ecg.study.settings.fitting import Finetune, Probe
    from cmr2ecg.study.settings.pretraining import Ablation
    from cmr2ecg.study.settings.study import Settings

# Settings whose effect figure `ablations` shows, as they are in an ablation
VARIED = (("pairs",), ("mae", "mask_ratio"), ("mmcl", "temperature"), ("mmcl", "image_weight"))


def ablations_of(settings: "Settings") -> "dict[str, Ablation]":
    """Return what each ablation changes, by the name of its encoder: mmcl_NAME."""
    return {f"mmcl_{name}": changes for name, changes in settings.ablations.items()}


def with_ablations(settings: "Settings") -> "Settings":
    """Return settings in which the encoders of ablations are probed and, where they say so, fine-tuned.

    A masked autoencoder that an ablation trains for itself is one too, mae_NAME. A second call changes nothing more.
    """
    for name, changes in ablations_of(settings).items():
        added = [name] if changes.mae is None else [name, own_mae(name)]
        changed: dict[str, object] = {"probe": _with_encoders(settings.probe, added)}
        if changes.finetune:
            changed["finetune"] = _with_encoders(settings.finetune, added)
        settings = settings.model_copy(update=changed)
    return settings


def _with_encoders(section: "Finetune | Probe", added: Sequence[str]) -> "Finetune | Probe":
    new = [encoder for encoder in added if encoder not in section.encoders]
    return section.model_copy(update={"encoders": (*section.encoders, *new)})


def own_mae(name: str) -> str:
    """Return the encoder name, mae_NAME, of the masked autoencoder that an ablation, mmcl_NAME, trains for itself."""
    return f"mae_{name.removeprefix('mmcl_')}"


def varied(ablations: Mapping[str, Any], base: Mapping[str, float]) -> dict[tuple[str, ...], dict[str, float]]:
    """Return {setting: {encoder: its value}}, in order of the value, for settings that some ablation varies alone.

    One of them is the reference they are compared with (`references`). Of a setting that is varied at several numbers
    of epochs, those with the most values are returned.

    Args:
        ablations: the config's; without the prefix mmcl_.
        base: MMCL's own values by the last part of the setting's name in VARIED.
    """
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for path in VARIED:
        for epochs, reference in references(ablations).items():
            values = {
                f"mmcl_{name}": value
                for name, changes in ablations.items()
                if _epochs(changes) == epochs
                for value in _alone(changes, path)
            }
            if values and len(values) >= len(found.get(path, {})):
                values[reference] = base[path[-1]]
                found[path] = dict(sorted(values.items(), key=lambda item: item[1]))
    return found


def references(ablations: Mapping[str, Any]) -> dict[int | None, str]:
    """Return {epochs: encoder}: MMCL itself (None) and, of shorter runs, the ablation with these epochs alone."""
    alone = {_epochs(changes): f"mmcl_{name}" for name, changes in ablations.items() if not _beyond_epochs(changes)}
    return {**alone, None: "mmcl"}


def _epochs(changes: Mapping[str, Any]) -> int | None:
    return changes.get("mmcl", {}).get("epochs")


def _alone(changes: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
    """Return the value at `path` if nothing but it and MMCL's epochs is changed."""
    changed = _beyond_epochs(changes)
    for key in path:
        if not isinstance(changed, Mapping) or set(changed) != {key}:
            return []
        changed = changed[key]
    return [float(changed)]


def _beyond_epochs(changes: Mapping[str, Any]) -> Any:
    """Return what is changed of the encoder beside the number of MMCL's epochs."""
    mmcl = {key: value for key, value in changes.get("mmcl", {}).items() if key != "epochs"}
    others = {key: value for key, value in changes.items() if key not in ("finetune", "mmcl")}
    return {**others, **({"mmcl": mmcl} if mmcl else {})}
