"""Both encoders of MMCL with their projectors, small and untrained."""

import torch

from cmr2ecg.report.maps.similarity import Towers, build_towers

MODELS = {
    "ecg_encoder": {"leads": 12, "samples": 100, "patch": 50, "dim": 16, "depth": 1, "heads": 2},
    "cmr_encoder": {"name": "resnet10t", "image_size": 96},
    "projector": {"hidden": 16, "out": 8},
}


def towers_of(seed: int) -> Towers:
    torch.manual_seed(seed)
    return build_towers(MODELS)
