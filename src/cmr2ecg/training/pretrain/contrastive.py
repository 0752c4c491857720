"""The contrastive baselines on ECGs by the name of their settings and results (paper §IV-D.1)."""

from cmr2ecg.training.pretrain.barlow_twins import BarlowTwinsObjective
from cmr2ecg.training.pretrain.byol import ByolObjective
from cmr2ecg.training.pretrain.clocs import ClocsObjective
from cmr2ecg.training.pretrain.ecg_views import EcgViewsObjective
from cmr2ecg.training.pretrain.simclr import SimclrObjective

OBJECTIVES: dict[str, type[EcgViewsObjective]] = {
    "simclr": SimclrObjective,
    "byol": ByolObjective,
    "barlow_twins": BarlowTwinsObjective,
    "clocs": ClocsObjective,
}
