"""What tables and figures call the targets and models."""

MAX_ABBREVIATION = 4  # letters


class Names(dict):
    """What things are called; an ablation that the config adds is called by its own name."""

    def __missing__(self, key: str) -> str:
        return key


class TargetNames(Names):
    """What targets are called; a disease that the config adds is called by its key: HF, COPD, Heart failure."""

    def __missing__(self, key: str) -> str:
        words = key.replace("_", " ")
        return words.upper() if len(words) <= MAX_ABBREVIATION else words.capitalize()


TARGETS = TargetNames(
    {"cad": "CAD", "af": "AF", "dm": "DM", "lv": "LV", "rv": "RV", "wt": "WT", "ecc": "Ecc", "err": "Err"}
)

DISEASES = TargetNames(
    {
        "cad": "Coronary artery disease (CAD)",
        "af": "Atrial fibrillation (AF)",
        "dm": "Diabetes mellitus (DM)",
    }
)


class ModelNames(Names):
    """What models are called; one that is stacked with the tabular side by its encoder's name."""

    def __missing__(self, key: str) -> str:
        encoder, plus, rest = key.partition("+")
        return f"{self[encoder]} + {rest}" if plus else key


MODELS = ModelNames(
    {
        "supervised": "Supervised ViT",
        "supervised_cnn": "Supervised CNN",
        "simclr": "SimCLR",
        "clocs": "CLOCS",
        "byol": "BYOL",
        "barlow_twins": "BarlowTwins",
        "mae": "MAE",
        "mmcl_without_mdm": "MMCL w/o MDM",
        "mmcl": "MMCL (ours)",
        "cmr_supervised": "Supervised ResNet",
        "cmr_mmcl_without_mdm": "MMCL w/o MDM (CMR)",
        "cmr_mmcl": "MMCL (CMR)",
        "tabular": "XGBoost (tabular)",
        "random": "Random ViT",
        "cmr_random": "Random ResNet",
        "ecg_beats": "Mean beat (ECG)",
        "rr_intervals": "RR intervals (ECG)",
        "cmr_pixels": "Pixels (CMR)",
        "latents": "Planted latents",
    }
)
