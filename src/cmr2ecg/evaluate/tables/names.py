"""What tables and figures call the targets and models."""


class Names(dict):
    """What things are called; a disease or an ablation that the config adds is called by its own name."""

    def __missing__(self, key: str) -> str:
        return key


TARGETS = Names({"cad": "CAD", "af": "AF", "dm": "DM", "lv": "LV", "rv": "RV", "wt": "WT", "ecc": "Ecc", "err": "Err"})

DISEASES = Names(
    {
        "cad": "Coronary artery disease (CAD)",
        "af": "Atrial fibrillation (AF)",
        "dm": "Diabetes mellitus (DM)",
    }
)

MODELS = Names(
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
        "cmr_pixels": "Pixels (CMR)",
        "latents": "Planted latents",
    }
)
