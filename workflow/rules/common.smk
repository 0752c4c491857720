# Helpers of all rules: the checked config, a step's code and settings, and where things lie.

import ast
import hashlib
import json
import os
import re
import shlex
import sys
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The clone, whether Snakefile or workflow/Snakefile is run.
CLONE = os.path.abspath(workflow.basedir)
if not os.path.isdir(os.path.join(CLONE, "src")):
    CLONE = os.path.dirname(CLONE)
SOURCE = os.path.join(CLONE, "src")
# Nothing is imported from the working directory: Snakemake puts the Snakefile's folder first, `python -m` its own.
sys.path[:] = [SOURCE, *(path for path in sys.path if path != workflow.basedir)]
os.environ.update({"PYTHONSAFEPATH": "1"})
# To check the config files profiles/default may have loaded an installed package, of another clone.
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "cmr2ecg" and SOURCE not in str(module.__file__):
        del sys.modules[name]
# Jobs find the package and this Python without being installed or activated; an empty entry is the working directory.
for variable, folder in (
    ("PYTHONPATH", SOURCE),
    ("PATH", os.path.dirname(sys.executable)),
):
    found = [folder, *filter(None, os.environ.get(variable, "").split(os.pathsep))]
    os.environ.update({variable: os.pathsep.join(found)})

from cmr2ecg.study.cluster import job_memory_mb, job_minutes
from cmr2ecg.study.ablations import add_ablations, own_mae, varied
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.config import check, check_files, check_raw_paths
from cmr2ecg.study.config_file import read_config
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.targets import PHENOTYPE_GROUPS, fractions_of, is_regression, on_subset
from cmr2ecg.cohort.arrivals import check_files_remain, first_ledger, read_ledger
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.runtime.gpus import uses_gpu
from cmr2ecg.study.sweep_grid import (
    axes_of,
    grid_of,
    pack_count,
    pack_slice,
    planned_rungs,
    planned_trials,
)
from cmr2ecg.raw.bulk import Listed, list_files
from cmr2ecg.raw.segmentation import list_segmentations, stamp_of_folder
from cmr2ecg.raw.stamp import stamp_of_file, stamp_of_table
from cmr2ecg.raw.withdrawn import list_notes, read_list, read_withdrawn

try:
    for path in workflow.overwrite_configfiles:
        read_config(path)
    check(config, os.path.join(CLONE, "workflow/schemas/config.schema.yaml"))
    check_raw_paths(config["raw"])
    check_files("init", config["init"])
except InputError as error:
    raise WorkflowError(str(error)) from None
ABLATIONS = add_ablations(config)

RESULTS = f"results/{config['cohort']}"
SIMULATED = config["simulate_cohort"]["enabled"]
# Rules name these files in functions: Snakemake's report shows a rule's inputs as they stand there.
RAW = config["raw"]
if SIMULATED:
    folder = f"{RESULTS}/simulate_cohort"
    RAW = {
        "ecg": [f"{folder}/raw/ecg"],
        "cmr": [f"{folder}/raw/cmr"],
        "tabular": [f"{folder}/tabular.csv"],
        "withdrawn": [f"{folder}/withdrawn.csv"],
        "excluded": RAW["excluded"],
        "segmentations": [],
        "boxes": [],
    }
# Of a synthetic cohort index_shard reads who has withdrawn, since the list is yet to be written.
try:
    WITHDRAWN = [] if SIMULATED else [read_list(path) for path in RAW["withdrawn"]]
    EXCLUDED = read_withdrawn(RAW["excluded"], "raw.excluded")
except InputError as error:
    raise WorkflowError(str(error)) from None


# Who is in which shard, and where index_shard looks for raw files; written when a run starts. A further folder or list
# of withdrawals in the config reruns the shards whose files it changes (`names_digest`), not all of them.
LEDGER = f"{RESULTS}/index_shard/shards.csv"
RAW_OPTIONS = f"{RESULTS}/index_shard/raw.txt"
WITH_CMR = "cmr" in config["index_cohort"]["modalities"]
# ECGs without an image, for the pre-trainings on ECGs alone: cleaned in shards of their own, so that those of the pairs
# stay as they are with and without them.
WITH_UNPAIRED = config["index_cohort"]["unpaired_ecgs"]
UNPAIRED = ["<results>/assemble_dataset/unpaired.h5"] if WITH_UNPAIRED else []
UNPAIRED_AUDIT = ["<results>/audit_leakage/unpaired.json"] if WITH_UNPAIRED else []
ALONE = ".unpaired"  # ends the name of such a shard
AND_UNPAIRED = " --unpaired {input.unpaired:q}" if WITH_UNPAIRED else ""
INIT = {name: path for name, path in config["init"].items() if path}
DATASET = "<results>/assemble_dataset/dataset.h5"
SPLIT = "<results>/split_subjects/split.csv"
AUDIT = "<results>/audit_leakage/audit.json"
OWN_MAE = [name for name, changes in ABLATIONS.items() if "mae" in changes]
# An ablation's encoder -> the one whose settings of fitting it takes.
LIKE = {
    **dict.fromkeys(ABLATIONS, "mmcl"),
    **{own_mae(name): "mae" for name in OWN_MAE},
}
BASELINES = sorted(config["pretrain"]["contrastive"])
# Every pre-training once for each seed of pretrain.seeds; the first has the plain name, and ablations only that one.
REPEATS = {
    number: f"_seed_{seed}" if number else ""
    for number, seed in enumerate(config["pretrain"]["seeds"] or [None])
}


def repeats(name):
    """Return the names of a pre-training's repeats with other seeds, itself first."""
    return [name + suffix for suffix in REPEATS.values()]


def repeat_of(name):
    """Return the pre-training that a repeat repeats, and its number."""
    for number, suffix in reversed(REPEATS.items()):
        if name.endswith(suffix):
            return name.removesuffix(suffix), number


def seeded(method, number):
    """Return the settings of a pre-training's repeat."""
    seeds = config["pretrain"]["seeds"]
    return {**method, "seed": seeds[number]} if seeds else method


def encoder_files(step, name, file="encoder"):
    """Return the weights of every repeat of a pre-training."""
    return [f"<results>/{step}/{each}/{file}.safetensors" for each in repeats(name)]


MMCL_RATES = [f"{rate:g}" for rate in config["pretrain"]["mmcl"]["base_lrs"]]
MMCL_FILES = [
    *[
        f"{part}.safetensors"
        for part in ("encoder", "image_encoder", "projector", "image_projector")
    ],
    "metrics.jsonl",
    "result.json",
]
# Several processes share one training, one for each GPU of the job; a change of their number alone reruns nothing.
# Without "--" torchrun would take the step's --log for one of its own options.
LAUNCH = (
    "$(count={resources.gpu}; test $count -gt 0 || count={resources.processes};"
    " test $count -gt 1 && echo torchrun --standalone --nproc_per_node $count -m -- || echo python -m) cmr2ecg.steps."
)
GPU = int(uses_gpu(config["device"]))
GPUS = config["processes"]["pretrain"] * GPU
# Encoder -> its weights, those of each repeat
PRETRAINED = {
    "supervised": [],
    "supervised_cnn": [],
    "random": [],
    "cmr_random": [],
    "ecg_beats": [],
    "cmr_pixels": [],
    "latents": [],
    "cmr_supervised": [],
    **{
        f"cmr_{name}": encoder_files("pretrain_mmcl", name, "image_encoder")
        for name in ("mmcl_without_mdm", "mmcl")
    },
    **{name: encoder_files("pretrain_contrastive", name) for name in BASELINES},
    "mae": encoder_files("pretrain_mae", "mae"),
    "mmcl_without_mdm": encoder_files("pretrain_mmcl", "mmcl_without_mdm"),
    "mmcl": encoder_files("pretrain_mmcl", "mmcl"),
}
# Weights of elsewhere stand in for a pre-training.
IMPORTED = {
    name: f"<results>/import_weights/{name}/encoder.safetensors" for name in INIT
}
PRETRAINED |= {name: [path] for name, path in IMPORTED.items() if name in PRETRAINED}
# Name of an MMCL training -> the ECG encoder that it starts from; its repeats start from those of the same seed.
MMCL_STARTS = {name: [] for name in repeats("mmcl_without_mdm")}
for number, name in enumerate(repeats("mmcl")):
    MMCL_STARTS[name] = PRETRAINED["mae"][number % len(PRETRAINED["mae"])]
for name in ABLATIONS:
    own = f"<results>/pretrain_mae/{name}/encoder.safetensors"
    MMCL_STARTS[name] = own if name in OWN_MAE else MMCL_STARTS["mmcl"]
    PRETRAINED |= {own_mae(name): [own]} if name in OWN_MAE else {}
    PRETRAINED[name] = [f"<results>/pretrain_mmcl/{name}/encoder.safetensors"]


def cmr_start(wildcards):
    """Return the image encoder that an MMCL training starts from."""
    _, number = repeat_of(wildcards.name)
    return IMPORTED.get("cmr_simclr", encoder_files("pretrain_cmr", "simclr")[number])


CODE = "code "  # before the digest: it is found by it among recorded parameters


def code(step, *also, rule=None):
    """Return a parameter that changes with what a step's code means, so that such an edit reruns the step.

    also: further modules, named with wildcards. rule: its name if it is not the step's. A step named in `frozen` keeps
    the code that its results were made with.
    """

    def parameter(wildcards):
        frozen = step in config["frozen"] and recorded_code(rule or step, wildcards)
        names = (name.format(**wildcards) for name in also)
        return frozen or code_of(f"cmr2ecg.steps.{step}", *names)

    return parameter


@lru_cache
def code_of(*modules):
    """Return the digest of what some modules mean; only rules that have jobs ask for it."""
    return CODE + fingerprint(*modules)[:16]


def recorded_code(rule, wildcards):
    """Return the digest that Snakemake noted when the job's first output was made, or None."""
    output = workflow.get_rule(rule).output[0].apply_wildcards(dict(wildcards.items()))
    recorded = map(ast.literal_eval, workflow.persistence.params(output) or [])
    return next((p for p in recorded if str(p).startswith(CODE)), None)


def settings(section):
    """Return one section of the config as JSON, so that a step reruns when its own settings change and only then."""
    return json.dumps(without_plans(config[section]), sort_keys=True)


def without_plans(section):
    """Return a section without the lists that say which jobs there are: one job more must not rerun the others."""
    plans = (
        "encoders",
        "targets",
        "fractions",
        "phenotype_fractions",
        "tables",
        "supplements",
        "figures",
        "quality_figures",
        "overrides",
        "limits",
        "job",
        "draws",
    )
    return {key: value for key, value in section.items() if key not in plans}


def training_settings(method, *networks):
    """Return a training's settings with the networks it uses and what the machine needs, as JSON."""
    whole = {
        "method": method,
        "models": {name: network_sizes(name) for name in networks},
        "device": config["device"],
        "precision": config["precision"],
    }
    return json.dumps(whole, sort_keys=True)


def network_sizes(network):
    """Return a network's sizes; the convolutional one reads the same leads and seconds as the transformer."""
    sizes = config["models"][network]
    if network != "ecg_cnn":
        return sizes
    read = {key: config["models"]["ecg_encoder"][key] for key in ("leads", "samples")}
    return {**sizes, **read}


def import_models(name):
    """Return the sizes of the network that an imported file is for."""
    network = network_of(name)
    return {network: config["models"][network]}


def mmcl_candidate(name, rate):
    """Return the settings of multimodal contrastive learning, or of an ablation, at one base learning rate."""
    name, number = repeat_of(name)
    section = seeded(config["pretrain"]["mmcl"], number)
    section = {key: value for key, value in section.items() if key != "base_lrs"}
    rates = dict(zip(MMCL_RATES, config["pretrain"]["mmcl"]["base_lrs"], strict=True))
    changes = ABLATIONS.get(name, {})
    others = {
        key: changes[key] for key in ("pairs", "shuffle_images") if key in changes
    }
    return {**section, **changes.get("mmcl", {}), **others, "base_lr": rates[rate]}


def mae_settings(name):
    """Return the settings of masked data modelling, or of the one that an ablation starts from."""
    name, number = repeat_of(name)
    method = seeded(config["pretrain"]["mae"], number)
    return {**method, **ABLATIONS.get(name, {}).get("mae", {})}


def contrastive_settings(name):
    """Return the settings of a contrastive baseline."""
    name, number = repeat_of(name)
    return seeded(config["pretrain"]["contrastive"][name], number)


@lru_cache
def listed_files():
    """Return {kind: {(eid, instance): raw file}} beyond those that simulate_cohort wrote; kind: ecg, cmr, segmentations."""
    found = {"ecg": {}, "cmr": {}, "segmentations": {}}
    listed = Path(RESULTS, "simulate_cohort/files.txt")
    if SIMULATED and not listed.exists():
        return found
    written = set(listed.read_text().split()) if SIMULATED else set()
    for kind, field in (("ecg", 20205), ("cmr", 20209))[: 1 + WITH_CMR]:
        for visit, file in list_files(RAW[kind], field).items():
            if f"{kind}/{os.path.basename(file.path)}" not in written:
                found[kind][visit] = file
    for visit, folder in list_segmentations(RAW["segmentations"]).items():
        found["segmentations"][visit] = Listed(folder)
    return found


@lru_cache
def withdrawn_eids():
    """Return who has withdrawn."""
    return frozenset().union(*(listed.eids for listed in WITHDRAWN))


def notes_on_lists():
    """Return a line for each withdrawal list that has nobody of the cohort or text around its eids."""
    return (
        list_notes(
            WITHDRAWN, {eid for files in listed_files().values() for eid, _ in files}
        )
        if WITHDRAWN
        else []
    )


@lru_cache
def known_kinds():
    """Return {kind: eids with raw files} of those who have not withdrawn, as `listed_files`."""
    gone = withdrawn_eids()
    return {
        kind: {eid for eid, _ in files if eid not in gone}
        for kind, files in listed_files().items()
    }


@lru_cache
def ledger():
    """Return who is in which shard: as an earlier run wrote down, and who is new since (cmr2ecg/cohort/arrivals.py).

    A job on a node takes what was written when the run started, so that all jobs agree. Until a first index is finished
    nobody is late: a first try with a wrong folder must not send everyone to further shards.
    """
    known = read_ledger(LEDGER, config["shards"])
    if known is not None and not workflow.is_main_process:
        return known
    kinds = known_kinds()
    eids = set().union(*kinds.values())
    if known is None or not os.path.exists(f"{RESULTS}/index_cohort/visits.parquet"):
        first = first_ledger(eids, config["shards"], complete=not SIMULATED)
        return first.with_files(kinds)
    known = known.without(withdrawn_eids())
    for kind in () if SIMULATED or config["accept_lost_files"] else kinds:
        if RAW[kind]:
            mend = "Nothing was changed; if they are to be left out, set accept_lost_files: true for one run."
            check_files_remain(known, kind, kinds[kind], mend)
    return known.with_arrivals(eids).with_files(kinds)


def shard_numbers():
    """Return the numbers of all shards; raw files that cannot be listed end the run here, before anything is written."""
    try:
        return ledger().numbers()
    except InputError as error:
        raise WorkflowError(str(error)) from None


SHARDS = shard_numbers()


@lru_cache
def raw_files(kind):
    """Return {shard: its raw files of a kind by (eid, instance)}; one without a path says why it only counts."""
    shards, gone = {shard: {} for shard in SHARDS}, withdrawn_eids()
    for (eid, instance), file in listed_files()[kind].items():
        shard = ledger().place(eid, gone)
        if shard is not None:
            counted = "withdrawn" if eid in gone else "excluded"
            shards[shard][eid, instance] = (
                Listed("", counted) if eid in gone or eid in EXCLUDED else file
            )
    return shards


def raw_options():
    """Return options of index_shard, and where other steps find their tables, a line each."""
    kinds = ("ecg", "cmr", "segmentations", "withdrawn", "excluded")
    kinds += () if SIMULATED else ("tabular", "boxes")
    return "".join(f"{line}\n" for kind in kinds for line in (f"--{kind}", *RAW[kind]))


def digest(lines):
    """Return a short digest of lines in any order."""
    whole = "\n".join(sorted(lines)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(whole).hexdigest()[:16]


def names_digest(wildcards):
    """Return a digest of who has which raw files in one shard, for the index.

    As a parameter of a shard's rule a digest makes new files rerun only the shards they belong to.
    """
    return digest(
        (
            f"{kind} {eid} {instance} {os.path.basename(file.path)}"
            if file.path
            else f"{kind} {file.stamp}"
        )
        for kind in ("ecg", "cmr", "segmentations")
        for (eid, instance), file in raw_files(kind)[int(wildcards.shard)].items()
    )


def ecg_digest(wildcards):
    """Return a digest of names, sizes and times of one shard's ECG files (cmr2ecg/raw/stamp.py)."""
    return digest(stamps("ecg", wildcards, lambda file: stamp_of_file(*file)))


def cmr_digest(wildcards):
    """Return a digest of names, sizes and times of one shard's CMR files and segmentations."""
    segmented = stamps(
        "segmentations", wildcards, lambda file: stamp_of_folder(file.path)
    )
    return digest(
        [*stamps("cmr", wildcards, lambda file: stamp_of_file(*file)), *segmented]
    )


def tables_digest(kind):
    """Return a digest of some tables, in their order; of a synthetic cohort they are inputs."""
    return (
        ""
        if SIMULATED
        else digest(
            f"{place} {stamp_of_table(path)}" for place, path in enumerate(RAW[kind])
        )
    )


def stamps(kind, wildcards, stamp):
    """Return a line for each raw file of one shard."""
    files = raw_files(kind)[int(wildcards.shard.removesuffix(ALONE))].items()
    return [
        f"{eid} {instance} {stamp(file)}" for (eid, instance), file in files if file
    ]


def pretrainings(encoders):
    """Return the folders of the pre-trainings that these encoders need; an image encoder comes from its MMCL."""
    wanted = [path for name in encoders for path in PRETRAINED[name]]
    names = [Path(path).parts[2] for path in wanted if "pretrain_mmcl" in path]
    wanted += [MMCL_STARTS[name] for name in names if MMCL_STARTS[name]]
    if names and "cmr_simclr" not in INIT:
        wanted += encoder_files("pretrain_cmr", "simclr")
    found = dict.fromkeys(
        os.path.dirname(path) for path in wanted if path not in IMPORTED.values()
    )
    order = ("pretrain_mmcl", "pretrain_cmr", "pretrain_contrastive", "pretrain_mae")
    return sorted(found, key=lambda folder: order.index(Path(folder).parts[1]))


def target_values(wildcards):
    """Return the table that holds a target's values: labels of a disease, phenotypes of a group."""
    table = "phenotypes" if is_regression(wildcards.target) else "labels"
    return f"<results>/read_tabular/{table}.parquet"


def target_subset(wildcards):
    """Return the subset that a target is trained on; a whole group of phenotypes has none."""
    if not on_subset(wildcards.target, int(wildcards.fraction)):
        return []
    return f"<results>/balance_subset/{wildcards.target}_{wildcards.fraction}.csv"


def all_subsets(wildcards):
    """Return every subset of a target."""
    return [
        f"<results>/balance_subset/{wildcards.target}_{fraction}.csv"
        for fraction in fractions_of(wildcards.target, config["balance_subset"])
        if on_subset(wildcards.target, fraction)
    ]


def optional(name):
    """Return a parameter that names an input's files on the command line as --NAME, if the job has it."""

    def argument(wildcards, input):
        found = input.get(name) or []
        paths = [found] if isinstance(found, str) else found
        return " ".join([f"--{name}", *map(shlex.quote, paths)]) if paths else ""

    return argument


SWEPT = {
    (encoder, target)
    for encoder in config["sweep"]["encoders"]
    for target in config["sweep"]["targets"]
} | {("tabular", target) for target in config["sweep_tabular"]["targets"]}
SWEPT_TARGETS = sorted({target for _, target in SWEPT})


def choice(encoder, target):
    """Return the choice of the sweep of one encoder and target, if one is configured."""
    return (
        f"<results>/select/{encoder}_{target}.json"
        if (encoder, target) in SWEPT
        else []
    )


def fits_of(section):
    """Return TARGET/FRACTION of a section's targets at the fractions of diseases, or of groups of phenotypes."""
    return [
        f"{target}/{fraction}"
        for target in config[section]["targets"]
        for fraction in fractions_of(target, config["balance_subset"])
    ]
