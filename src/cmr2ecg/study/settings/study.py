"""All settings of a study at the paper's values: what config/paper.yaml, its README and its schema are written from."""

from cmr2ecg.study.settings.base import Count, Section, Values, setting
from cmr2ecg.study.settings.cohort import (
    AuditLeakage,
    BalanceSubset,
    IndexCohort,
    ReadTabular,
    SimulateCohort,
    SplitSubjects,
)
from cmr2ecg.study.settings.data_set import Recordings
from cmr2ecg.study.settings.fitting import Finetune, Probe, TrainTabular
from cmr2ecg.study.settings.networks import Init, Models
from cmr2ecg.study.settings.pretraining import Ablations, Pretrain
from cmr2ecg.study.settings.recordings import CleanEcg, CropCmr
from cmr2ecg.study.settings.report import Evaluate, Heatmap, MakeFigure, MakeTable, Release
from cmr2ecg.study.settings.run import Cluster, CohortName, Device, Precision, Processes, Raw, Shards, Step, Threads
from cmr2ecg.study.settings.sweeps import Sweep, SweepTabular


class Settings(Section):
    """All settings of a study."""

    cohort: CohortName = setting("paper", "name of the cohort; results go to results/<cohort>/")
    shards: Shards = setting(
        40,
        "ECGs and images are processed in this many pieces (eid modulo shards). Subjects whose files arrive after a "
        "first run go to further pieces of up to 1,000, so that a delivery reruns its own only. Another number places "
        "all subjects anew",
    )
    frozen: Values[Step] = setting(
        (),
        "steps that an edit of their code must not rerun, e.g. [pretrain_mae] after a week of training. Off the list "
        "again, they rerun",
    )
    accept_lost_files: bool = setting(
        False,
        "true: go on although more than a tenth of the known subjects lost their raw files of a kind. More than one, "
        "and no ECG, no CMR file or no segmentation any more, as on a disk that is not mounted; set it for one run if "
        "they are to be left out",
    )
    device: Device = setting("auto", "auto: GPU if there is one, else CPU; or cpu, cuda")
    precision: Precision = setting(
        "auto", "auto: bf16 autocast where the hardware has it, else fp32; or bf16, fp32. Losses are always fp32"
    )
    memory_mb: Count = setting(
        32000, "a training holds its data in memory up to this size, and streams what is beyond from disk"
    )
    threads: Threads = setting(Threads)
    processes: Processes = setting(Processes)
    cluster: Cluster = setting(Cluster)
    raw: Raw = setting(Raw)
    recordings: Recordings = setting(Recordings)
    simulate_cohort: SimulateCohort = setting(SimulateCohort)
    index_cohort: IndexCohort = setting(IndexCohort)
    clean_ecg: CleanEcg = setting(CleanEcg)
    crop_cmr: CropCmr = setting(CropCmr)
    read_tabular: ReadTabular = setting(ReadTabular)
    split_subjects: SplitSubjects = setting(SplitSubjects)
    balance_subset: BalanceSubset = setting(BalanceSubset)
    audit_leakage: AuditLeakage = setting(AuditLeakage)
    models: Models = setting(Models)
    init: Init = setting(Init)
    pretrain: Pretrain = setting(Pretrain)
    ablations: Ablations = setting(
        {},
        "MMCL with one thing changed, each an encoder mmcl_NAME of its own. As many as you like: `ablations: "
        "{shuffled: {shuffle_images: every_batch}, tau_05: {mmcl: {temperature: 0.5}}}` trains `mmcl_shuffled` and "
        "`mmcl_tau_05`. Each is an encoder like `mmcl`, with its base learning rates and fine-tune settings, linearly "
        "probed on every target of `probe`; a masked autoencoder of its own is as well, as `mae_NAME`. Where "
        "ablations vary the number of pairs, the mask ratio, tau or lambda alone, `make_figure/ablations.png` shows "
        "what they do. Short runs need a reference as short: `{short: {mmcl: {epochs: 20}}, warm: {mmcl: {epochs: 20, "
        "temperature: 0.5}}}`. The paper's config has none",
    )
    finetune: Finetune = setting(Finetune)
    probe: Probe = setting(Probe)
    sweep: Sweep = setting(Sweep)
    sweep_tabular: SweepTabular = setting(SweepTabular)
    train_tabular: TrainTabular = setting(TrainTabular)
    evaluate: Evaluate = setting(Evaluate)
    heatmap: Heatmap = setting(Heatmap)
    make_table: MakeTable = setting(MakeTable)
    release: Release = setting(Release)
    make_figure: MakeFigure = setting(MakeFigure)
