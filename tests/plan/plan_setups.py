"""A study, a cohort and measured rates, made up for the tests of the plan."""

from paper_settings import paper_settings

from cmr2ecg.plan.cohort import Cohort
from cmr2ecg.plan.cost import Estimate, Gpu
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.measure import Line, Rates

CONFIG = paper_settings()
COHORT = Cohort(
    files=1000,
    split={"train": 700, "val": 150, "test": 150},
    positives={"cad": 0.1, "af": 0.1, "dm": 0.1},
    with_phenotypes=0.5,
    source="made up",
)
LINE = Line(per_step=0.1, per_subject=0.01, spread=0.0, saved_bytes=1e6, parameters=1_000_000, operations=1e9)
MAE_MODELS = {name: CONFIG["models"][name] for name in ("ecg_encoder", "mae_decoder")}


def rates(threads=2, line=LINE):
    """Return rates in which every training costs the same."""
    kinds = ("mae", "simclr", "byol", "barlow_twins", "clocs", "cmr", "mmcl")
    kinds += ("finetune_ecg", "finetune_cnn", "finetune_cmr")
    return Rates(
        cores=2,
        threads=threads,
        side_by_side=1,
        precision="fp32",
        trainings=dict.fromkeys(kinds, line),
        kinds={"mae": (MAE_MODELS, CONFIG["pretrain"]["mae"])},
        subject_seconds={"simulate_cohort": 1.0, "clean_ecg": 0.2, "crop_cmr": 0.1},
        raw_bytes={"ecg": 1e6, "cmr": 9e6},
        start_seconds={"torch": 5.0, "light": 1.0},
        bytes_second={"hash": 1e9, "write": 1e9},
        tree_seconds=1e-7,
        gflops_matrix=10.0,
        base_bytes=5e8,
        seconds=60.0,
    )


def estimate(**changed):
    """Return an estimate with a GPU of 1 TFLOP/s."""
    return Estimate(CONFIG, COHORT, rates(**changed), Gpu(tflops=1.0, utilisation=1.0))


def fit_job(target="cad", fraction=100, **method):
    """Return a fine-tuning of one target."""
    settings = {"method": {**CONFIG["finetune"], **method}, "models": {"ecg_encoder": CONFIG["models"]["ecg_encoder"]}}
    settings |= {"blocks": 1, "draws": 1}
    options = {"encoder": ["mmcl"], "fits": [f"{target}/{fraction}"]}
    return Job("finetune_mmcl", {"target": target, "fraction": str(fraction)}, 2, settings, options)


def mae_job(threads=2, **method):
    """Return the pre-training of the masked autoencoder."""
    settings = {"method": {**CONFIG["pretrain"]["mae"], **method}, "models": MAE_MODELS}
    return Job("pretrain_mae", {}, threads, settings, {})
