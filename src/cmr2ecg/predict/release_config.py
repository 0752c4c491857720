"""Check that a release's config.json has the settings `predict` needs, of the right types and of feasible sizes."""

import math
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from cmr2ecg.runtime.command import InputError

Check = tuple[str, Callable[[Any], bool]]  # description of the expected value, and its check
MAX_VALUES = 1e8  # of a position embedding


def whole(low: int, high: int) -> Check:
    """Return the check of a whole number."""
    return f"a whole number from {low} to {high}", lambda v: type(v) is int and low <= v <= high


def number(low: float = -1e12, high: float = 1e12) -> Check:
    """Return the check of a number."""
    return (
        f"a number from {low:g} to {high:g}",
        lambda v: type(v) in (int, float) and low <= v <= high and math.isfinite(v),
    )


def one_of(*values: object) -> Check:
    """Return the check of some values."""
    return f"one of {', '.join(map(str, values))}", lambda v: type(v) is type(values[0]) and v in values


def every(check: Check, size: int | None = None) -> Check:
    """Return the check of a list."""
    many = "" if size is None else f" of {size}"
    return (
        f"a list{many}, each {check[0]}",
        lambda v: isinstance(v, list) and 0 < len(v) <= 1000 and size in (None, len(v)) and all(map(check[1], v)),
    )


TEXT: Check = "a text", lambda v: isinstance(v, str) and 0 < len(v) <= 200 and v.isprintable()
SETTINGS: dict[str, Check] = {
    "name": TEXT,
    "cohort": TEXT,
    "synthetic": one_of(True, False),
    "clean_ecg.sampling_rate_hz": whole(50, 10_000),
    "clean_ecg.samples": whole(1, 200_000),
    "clean_ecg.clip_std": number(1e-6),
    "clean_ecg.baseline.method": one_of("asls", "airpls"),
    "clean_ecg.baseline.lam": number(1e-12, 1e15),
    "clean_ecg.baseline.p": number(0, 1),
    "clean_ecg.baseline.iterations": whole(1, 1000),
    "clean_ecg.quality.max_missing_limb_leads": whole(0, 4),
    "clean_ecg.quality.max_flat_chest_leads": whole(0, 6),
    "clean_ecg.quality.minimum_beats": whole(0, 1000),
    "clean_ecg.quality.reject_poor_quality": one_of(True, False),
    **{
        f"clean_ecg.quality.{name}": number()
        for name in ("max_blank", "max_mv", "flat_uv", "max_constant_s", "max_saturated")
    },
    **{f"clean_ecg.quality.{name}": number() for name in ("max_einthoven_error", "minimum_snr_db")},
    "models.ecg_encoder.samples": whole(1, 200_000),
    "models.ecg_encoder.patch": whole(1, 200_000),
    "models.ecg_encoder.dim": whole(1, 8192),
    "models.ecg_encoder.depth": whole(1, 200),
    "models.ecg_encoder.heads": whole(1, 512),
}


def check_config(config: Mapping[str, Any], source: str) -> None:
    """Raise InputError, which names the first setting that is missing or wrong.

    Args:
        config: of config.json.
        source: its path, for messages.
    """
    for place, check in SETTINGS.items():
        hold(config, place.split("."), check, source)
    sizes = config["models"]["ecg_encoder"]
    if 12 * sizes["samples"] / sizes["patch"] * sizes["dim"] > MAX_VALUES or sizes["samples"] % sizes["patch"]:
        raise InputError(f"{source}: models.ecg_encoder: patches of {sizes['patch']} in {sizes['samples']} samples")
    if sizes["samples"] > config["clean_ecg"]["samples"]:
        raise InputError(f"{source}: models.ecg_encoder.samples is more than clean_ecg.samples")
    hold(config, ["targets"], ("a non-empty object", lambda v: isinstance(v, dict) and bool(v)), source)
    for target in config["targets"]:
        check_target(config, target, source)


def check_target(config: Mapping[str, Any], target: str, source: str) -> None:
    """Raise InputError if one target's entry is incomplete."""
    about: dict[tuple[str, ...], Check] = {
        ("outputs",): every(TEXT),
        ("seeds",): every(whole(0, 2**62)),
        ("pooling",): TEXT,
        ("evaluation_crops",): whole(1, 1000),
    }
    for place, check in about.items():
        hold(config, ["targets", target, *place], check, source)
    names = config["targets"][target]["outputs"]
    if "calibration" in config["targets"][target]:
        calibration = config["targets"][target]["calibration"]
        between = number(1e-12, 1 - 1e-12)
        about = {("calibration", key): between for key in ("prevalence", "trained_prevalence")}
        about |= {("calibration", key): number() for key in ("slope", "intercept")}
        if config["format"] > 1 or (isinstance(calibration, dict) and "label_smoothing" in calibration):
            about[("calibration", "label_smoothing")] = number(0, 1 - 1e-9)
    else:
        about = {("scale", key): every(number(), len(names)) for key in ("mean", "std")}
        about |= dict(
            chain.from_iterable(
                [(("intervals", name, "half_width"), number(0)), (("units", name), UNIT)] for name in names
            )
        )
    for place, check in about.items():
        hold(config, ["targets", target, *place], check, source)


UNIT: Check = "a text", lambda v: isinstance(v, str) and len(v) <= 200


def hold(config: Any, places: list[str], check: Check, source: str) -> None:
    """Raise InputError unless the value at a path exists and is as expected."""
    value, name = config, ".".join(places)[:200]
    for place in places:
        if not isinstance(value, dict) or place not in value:
            raise InputError(f"{source}: {name} is missing; is this the config.json of a release?")
        value = value[place]
    if not check[1](value):
        raise InputError(f"{source}: {name} is {repr(value)[:60]}; expected {check[0]}")
