"""Which pre-trainings there are, what each starts from and is told, and the weights each encoder takes from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cmr2ecg.study.ablations import ablations_of, own_mae
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.files import network_file
from cmr2ecg.study.sections import as_json, training_settings
from cmr2ecg.study.settings.pretraining import Ablation
from cmr2ecg.study.settings.study import Settings

MMCL_PARTS = ("encoder", "image_encoder", "projector", "image_projector")
MMCL_FILES = (*(f"{part}.safetensors" for part in MMCL_PARTS), "metrics.jsonl", "result.json")
# Without weights of a pre-training: trained from scratch, drawn, or no network at all.
UNTRAINED = (
    "supervised",
    "supervised_cnn",
    "random",
    "cmr_random",
    "ecg_beats",
    "rr_intervals",
    "cmr_pixels",
    "latents",
    "cmr_supervised",
)
LAST_FIRST = ("pretrain_mmcl", "pretrain_cmr", "pretrain_contrastive", "pretrain_mae")


@dataclass(frozen=True)
class Pretraining:
    """A pre-training: its settings as JSON, and the one that it repeats with another seed (itself of the first)."""

    settings: str
    repeats: str


@dataclass(frozen=True)
class Mmcl:
    """A multimodal pre-training: settings by base learning rate, and the encoders it starts from (ECG: or "")."""

    candidates: Mapping[str, str]
    ecg_encoder: str
    cmr_encoder: str


@dataclass(frozen=True)
class Pretrainings:
    """All pre-trainings by the name of their folder, and the weights of every encoder: a file for each repeat.

    imported: encoder -> file that stands in for a pre-training, made of weights from elsewhere.
    """

    mae: Mapping[str, Pretraining]
    contrastive: Mapping[str, Pretraining]
    cmr: Mapping[str, Pretraining]
    mmcl: Mapping[str, Mmcl]
    weights: Mapping[str, tuple[str, ...]]
    imported: Mapping[str, str]

    def folders(self, encoders: Iterable[str]) -> list[str]:
        """Return the folders of the pre-trainings that these encoders need; an image encoder comes from its MMCL."""
        wanted = [path for encoder in encoders for path in self.weights[encoder]]
        names = [PurePosixPath(path).parts[2] for path in wanted if "pretrain_mmcl" in path]
        wanted += [start for name in names if (start := self.mmcl[name].ecg_encoder)]
        if names and "cmr_simclr" not in self.imported:
            wanted += [network_file("pretrain_cmr", name) for name in self.cmr]
        found = dict.fromkeys(PurePosixPath(path).parent for path in wanted if path not in self.imported.values())
        return sorted(map(str, found), key=lambda folder: LAST_FIRST.index(PurePosixPath(folder).parts[1]))


def pretrainings(settings: Settings) -> Pretrainings:
    """Return all pre-trainings of a study, those of ablations among them."""
    repeats, ablations, mae = Repeats(settings), ablations_of(settings), settings.pretrain.mae.model_dump()
    imported = {name: network_file("import_weights", name) for name, path in settings.init if path}
    own_maes = {name: changes.mae for name, changes in ablations.items() if changes.mae is not None}
    weights = _weights(settings, repeats)
    weights |= {name: (path,) for name, path in imported.items() if name in weights}
    starts: dict[str, str] = dict.fromkeys(repeats.names("mmcl_without_mdm"), "")
    starts |= {name: weights["mae"][number % len(weights["mae"])] for number, name in enumerate(repeats.names("mmcl"))}
    for name in ablations:
        own = network_file("pretrain_mae", name)
        starts[name] = own if name in own_maes else starts["mmcl"]
        weights |= {own_mae(name): (own,)} if name in own_maes else {}
        weights[name] = (network_file("pretrain_mmcl", name),)
    cmr = [network_file("pretrain_cmr", name) for name in repeats.names("simclr")]
    return Pretrainings(
        mae={
            **repeats.jobs("mae", mae, "ecg_encoder", "mae_decoder"),
            **{
                name: Pretraining(repeats.told(mae, 0, "ecg_encoder", "mae_decoder", **changes.model_dump()), name)
                for name, changes in own_maes.items()
            },
        },
        contrastive={
            name: job
            for baseline, method in sorted(settings.pretrain.contrastive)
            for name, job in repeats.jobs(baseline, method.model_dump(), "ecg_encoder").items()
        },
        cmr=repeats.jobs("simclr", settings.pretrain.cmr.model_dump(), "cmr_encoder"),
        mmcl={
            name: Mmcl(
                _candidates(settings, repeats, repeats.number(name), ablations.get(name)),
                start,
                imported.get("cmr_simclr", cmr[repeats.number(name)]),
            )
            for name, start in starts.items()
        },
        weights=weights,
        imported=imported,
    )


class Repeats:
    """Every pre-training once for each of pretrain.seeds; the first has the plain name, and ablations only that one."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.seeds = settings, settings.pretrain.seeds
        self.suffixes = [f"_seed_{seed}" if number else "" for number, seed in enumerate(self.seeds or [None])]

    def names(self, name: str) -> list[str]:
        """Return the names of a pre-training's repeats, itself first."""
        return [name + suffix for suffix in self.suffixes]

    def number(self, name: str) -> int:
        """Return which repeat a name stands for."""
        return next(number for number, suffix in reversed(list(enumerate(self.suffixes))) if name.endswith(suffix))

    def told(self, method: Mapping[str, Any], number: int, *networks: str, **changes: object) -> str:
        """Return the settings of one repeat as JSON."""
        seeded = {**method, "seed": self.seeds[number]} if self.seeds else method
        return as_json(training_settings(self.settings, {**seeded, **changes}, *networks))

    def jobs(self, name: str, method: Mapping[str, Any], *networks: str) -> dict[str, Pretraining]:
        """Return a pre-training and its repeats."""
        return {
            repeat: Pretraining(self.told(method, number, *networks), name)
            for number, repeat in enumerate(self.names(name))
        }


def _weights(settings: Settings, repeats: Repeats) -> dict[str, tuple[str, ...]]:
    """Return {encoder: weights of each repeat} of the encoders that the paper has, and of the controls."""

    def trained(step: str, name: str, part: str = "encoder") -> tuple[str, ...]:
        return tuple(network_file(step, repeat, part) for repeat in repeats.names(name))

    mmcl = ("mmcl_without_mdm", "mmcl")
    return {
        **dict.fromkeys(UNTRAINED, ()),
        **{f"cmr_{name}": trained("pretrain_mmcl", name, "image_encoder") for name in mmcl},
        **{name: trained("pretrain_contrastive", name) for name, _ in sorted(settings.pretrain.contrastive)},
        "mae": trained("pretrain_mae", "mae"),
        **{name: trained("pretrain_mmcl", name) for name in mmcl},
    }


def _candidates(settings: Settings, repeats: Repeats, number: int, ablation: Ablation | None) -> dict[str, str]:
    """Return {base learning rate: settings} of a multimodal pre-training, or of an ablation."""
    section = settings.pretrain.mmcl.model_dump(exclude={"base_lrs"})
    given = ablation.model_dump() if ablation else {}
    changes = {**given.get("mmcl", {}), **{key: given[key] for key in ("pairs", "shuffle_images") if key in given}}
    return {
        f"{rate:g}": repeats.told(
            section,
            number,
            "ecg_encoder",
            "cmr_encoder",
            "projector",
            **changes,
            base_lr=rate,
        )
        for rate in settings.pretrain.mmcl.base_lrs
    }


def import_settings(settings: Settings, name: str) -> str:
    """Return the sizes of the network that an imported file is for, as JSON."""
    network = network_of(name)
    return as_json({"models": settings.models.model_dump(include={network})})
