"""What an encoder's name says: its network and whether its weights are drawn. Standard library only."""

DRAWN = ("random", "cmr_random")
"""Probed encoders that were never trained: one probe for each seed of their weights."""
PRETRAINED_ECG = ("simclr", "clocs", "byol", "barlow_twins", "mae", "mmcl_without_mdm", "mmcl")
"""ECG encoders that start from a pre-training."""
FROM_SCRATCH = ("supervised", "supervised_cnn")
"""ECG encoders that start from random weights."""


def network_of(encoder: str) -> str:
    """Return an encoder's network, by its name in the config's section `models`."""
    if encoder.startswith("cmr_"):
        return "cmr_encoder"
    return "ecg_cnn" if encoder == "supervised_cnn" else "ecg_encoder"
