"""What a job costs: its counted operations and bytes at the measured rates, as a range.

Where the ranges come from:
- a training's steps: how far repeated steps differed here, and SCATTER for what one minute does not see;
- more cores than were measured: from all of them working to half (`threads_loss`);
- early stopping: from `patience` + 1 epochs to all of them, likely their geometric mean;
- steps without a benchmark of their own: a factor of ROUGH both ways;
- a GPU: a factor of ROUGH both ways about the assumed share of its peak.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cmr2ecg.plan import flops
from cmr2ecg.plan.cohort import Cohort, outputs_of
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.measure import Line, Rates
from cmr2ecg.plan.sizes import FLOAT, RESUMED_COPIES, disk_bytes, held_bytes, memory_bytes
from cmr2ecg.plan.span import Span
from cmr2ecg.runtime.imports import reached_files
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.targets import fractions_of, is_regression

SCATTER, ROUGH = 1.25, 2.0
EVALUATION_BATCH = 256
FORWARD = 1 / 3  # of a training step
SEED_SECONDS = 0.15  # of a fit's seed beside its epochs: building, predicting, writing
READ_BYTES_SECOND = 500e6  # of recordings, on an ordinary disk
USES_TORCH = re.compile(r"^\s*(import|from) (torch|timm)\b", re.MULTILINE)
FITTED = {"ecg_encoder": "finetune_ecg", "ecg_cnn": "finetune_cnn", "cmr_encoder": "finetune_cmr"}
TRAININGS = ("pretrain_mae", "pretrain_contrastive", "pretrain_cmr", "pretrain_mmcl", "finetune", "sweep", "probe")


@dataclass(frozen=True)
class Gpu:
    """A GPU that is not here: its peak in TFLOP/s and the share of it that trainings reach. Both are assumptions."""

    tflops: float
    utilisation: float

    def seconds(self, operations: float) -> float:
        """Return the seconds that so many operations take."""
        return operations / (self.tflops * 1e12 * self.utilisation)


@dataclass(frozen=True)
class Cost:
    """Of one job: seconds on its cores, the same with a training on a GPU, operations, bytes on disk and in memory."""

    seconds: Span
    gpu_seconds: Span
    operations: Span
    disk: float
    memory: float


def kind_of(job: Job) -> str:
    """Return the kind of training a job does (flops.step_flops names them), or ""."""
    if job.step == "pretrain_contrastive":
        return job.wildcards["baseline"]
    if job.step in ("pretrain_mae", "pretrain_cmr", "pretrain_mmcl"):
        return job.step.removeprefix("pretrain_")
    if job.step in ("finetune", "sweep", "probe"):
        return FITTED[network_of(job.encoder)]
    return ""


@cache
def uses_torch(step: str) -> bool:
    """Say whether a step imports torch, which is most of its start."""
    return any(USES_TORCH.search(path.read_text(encoding="utf-8")) for path in reached_files(f"cmr2ecg.steps.{step}"))


class Estimate:
    """Costs of a study's jobs.

    config: all settings. cohort: sizes. rates: of the benchmark. gpu: assumed.
    """

    def __init__(self, config: Mapping[str, Any], cohort: Cohort, rates: Rates, gpu: Gpu) -> None:
        self.config, self.cohort, self.rates, self.gpu = config, cohort, rates, gpu

    def of(self, job: Job) -> Cost:
        """Return the cost of one job."""
        kind, with_torch = kind_of(job), uses_torch(job.step)
        start = Span.within(self.rates.start_seconds["torch" if with_torch else "light"], SCATTER)
        if job.step in TRAININGS:
            work, operations = self._training(job, kind)
            reading = Span.within(self._reading(job, kind), ROUGH)
            on_gpu = start + reading + Span.within(self.gpu.seconds(1.0), ROUGH) * operations
            seconds = start + reading + work * self.threads_loss(job.threads)
        else:
            seconds = start + self._other(job)
            on_gpu, operations = Span(), Span()
        disk = disk_bytes(job, kind if job.step != "probe" else "", self.cohort, self.config, self.rates)
        held = memory_bytes(job, kind, self.cohort, self.config, self.rates, with_torch)
        return Cost(seconds, on_gpu, operations, disk, held)

    def threads_loss(self, threads: int) -> Span:
        """Return what a second on the measured cores is on a job's: all cores work, or half of the added ones."""
        ratio = self.rates.threads / threads
        if threads <= self.rates.threads:
            return Span.exactly(1.0)
        return Span(ratio, ratio, (ratio + 1) / 2)

    def _reading(self, job: Job, kind: str) -> float:
        fields = ("ecg", "cmr") if kind == "mmcl" else (("cmr",) if kind.endswith("cmr") else ("ecg",))
        return held_bytes(job, self.cohort, self.config, fields) / READ_BYTES_SECOND

    def _training(self, job: Job, kind: str) -> tuple[Span, Span]:
        """Return seconds on the measured cores, and operations."""
        line, models = self.rates.trainings[kind], job.settings["models"]
        spread = SCATTER * (1 + line.spread)
        if job.step.startswith("pretrain_"):
            seconds, operations = self._pretraining(job, kind, line)
            return Span.within(seconds, spread), Span.exactly(operations)
        if job.step == "probe":
            fits = [fit.split("/") for fit in job.params["fits"]]
            count = max(job.runs(target, int(fraction)) for target, fraction in fits) * self.cohort.subjects
            embedding = Span.within(self._forward(line, count), spread)
            seconds = sum(
                job.runs(target, int(fraction)) * self._probe_seconds(target, int(fraction), job)
                for target, fraction in fits
            )
            fits = Span.within(seconds, 4.0)
            return embedding + fits, Span.exactly(count * flops.forward_flops(kind, models))
        fits = self._sweep_fits(job) if job.step == "sweep" else self._fits(job)
        seconds, operations = Span(), Span()
        for target, fraction, method, epochs, seeds in fits:
            one, counted = self._fit(target, fraction, method, kind, models, final=job.step != "sweep")
            seconds += seeds * (epochs * one[0] + Span.exactly(one[1] + SEED_SECONDS))
            operations += seeds * (epochs * counted[0] + Span.exactly(counted[1]))
        return Span.within(1.0, spread) * seconds, operations

    def _pretraining(self, job: Job, kind: str, line: Line) -> tuple[float, float]:
        method, split = job.settings["method"], self.cohort.split
        most = self.cohort.pretrained_on(kind, method)
        n = min(method.get("pairs", most), most)
        batch = max(1, min(method["batch_size"], n))
        steps = n // batch if kind != "mae" else math.ceil(n / batch)
        trained = min(n, steps * batch)
        a_subject = flops.step_flops(kind, job.settings["models"], method)
        line = line.scaled_to(a_subject)
        checked = FORWARD * line.seconds(math.ceil(split["val"] / batch), split["val"])
        resume = RESUMED_COPIES * FLOAT * line.parameters / self.rates.bytes_second["write"]
        epoch = line.seconds(steps, trained) + checked + resume
        counted = a_subject * (trained + FORWARD * split["val"])
        return method["epochs"] * epoch, method["epochs"] * counted

    def _fit(
        self,
        target: str,
        fraction: int,
        method: Mapping[str, Any],
        kind: str,
        models: Mapping[str, Any],
        *,
        final: bool,
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return seconds and operations, each (of an epoch, of the final predictions)."""
        line, cohort = self.rates.trainings[kind], self.cohort
        n, val = cohort.trained_on(target, fraction), cohort.scored_on(target, "val")
        final_count = (cohort.split["val"] + cohort.split["test"]) * final
        steps = math.ceil(n / method["batch_size"])
        looks = 1 / math.ceil(method["validation_interval"] / max(steps, 1)) if final else 1  # validations an epoch
        val *= looks
        epoch = line.seconds(steps, n) + self._forward(line, val)
        forward = flops.forward_flops(kind, models)
        counted = n * flops.step_flops(kind, models, method) + val * forward
        return (epoch, self._forward(line, final_count)), (counted, final_count * forward)

    def _forward(self, line: Line, subjects: float) -> float:
        return FORWARD * line.seconds(math.ceil(subjects / EVALUATION_BATCH), subjects)

    def _fits(self, job: Job) -> list[tuple]:
        method = job.settings["method"]
        pairs = [fit.split("/") for fit in job.params["fits"]]
        return [
            (
                target,
                int(fraction),
                method,
                self._epochs(method, target, int(fraction)),
                job.runs(target, int(fraction)),
            )
            for target, fraction in pairs
        ]

    def _epochs(self, method: Mapping[str, Any], target: str, fraction: int) -> Span:
        """Return the likely epochs of a fit, which minimum_steps raises on few subjects."""
        steps = math.ceil(self.cohort.trained_on(target, fraction) / method["batch_size"]) or 1
        fewest = math.ceil(method["minimum_steps"] / steps)
        return likely_epochs(max(method["epochs"], fewest), max(method["patience"], fewest))

    def _sweep_fits(self, job: Job) -> list[tuple]:
        """Return the trials of a sweep's job; those of later rounds are not known and have finetune's batch size."""
        plan, fixed = job.settings["sweep"], {**self.config["finetune"], **job.settings["method"]}
        trials = plan["trials"] or [{}] * (min(plan["last"], plan["promoted"]) - plan["first"])
        last = plan["epochs"] or fixed["epochs"]
        before = 0 if plan["trials"] else last // self.config["sweep"]["eta"]
        epochs = likely_epochs(last - before, fixed["patience"])
        return [(job.wildcards["target"], 100, {**fixed, **trial}, epochs, len(plan["seeds"])) for trial in trials]

    def _probe_seconds(self, target: str, fraction: int, job: Job) -> float:
        """Return the seconds of a linear model with every penalty: PASSES over the features, or one normal equation."""
        models = job.settings["models"]
        wide = job.encoder.startswith("cmr_")
        features = flops.resnet(**flops.image_network(models))[2] if wide else models["ecg_encoder"]["dim"]
        n = self.cohort.trained_on(target, fraction)
        if is_regression(target):
            operations = 2.0 * n * features**2 + features**3 / 3
        else:
            operations = (
                200 * 4.0 * n * features * 10
            )  # 200 passes; a product with a vector runs at a tenth of the rate
        return len(job.settings["method"]["penalties"]) * (operations / (self.rates.gflops_matrix * 1e9) + 0.01)

    def _other(self, job: Job) -> Span:
        """Return the seconds of a step that trains no network, without its start."""
        measured = self._measured(job)
        return Span.within(measured, SCATTER) if measured is not None else Span.within(self._rough(job), ROUGH)

    def _measured(self, job: Job) -> float | None:
        rates, cohort = self.rates, self.cohort
        if job.step in ("clean_ecg", "crop_cmr"):
            files = cohort.unpaired if job.unpaired else cohort.files
            return rates.subject_seconds[job.step] * files / self.config["shards"]
        if job.step == "simulate_cohort":
            visits = self.config["simulate_cohort"]["subjects"] * (1 + self.config["simulate_cohort"]["repeat_visits"])
            return rates.subject_seconds["simulate_cohort"] * visits / job.threads
        if job.step in ("train_tabular", "sweep_tabular"):
            return self._tree_seconds(job)
        return None

    def _tree_seconds(self, job: Job) -> float:
        target, fraction = job.wildcards["target"], int(job.wildcards.get("fraction", 100))
        rows, outputs = self.cohort.trained_on(target, fraction), outputs_of(target)
        method = job.settings.get("method", job.settings)
        grid = job.settings.get("grid", {})
        rounds = max(grid.get("rounds", [method.get("rounds", 100)]))
        forests = math.prod(len(values) for name, values in grid.items() if name != "rounds") if grid else 1
        seeds = len(job.settings["seeds"]) if grid else job.runs(target, fraction)
        scored = rounds * 3e-4  # of a curve's point: predicting and scoring the validation subjects
        return seeds * outputs * forests * (rounds * rows * self.rates.tree_seconds + scored)

    def _rough(self, job: Job) -> float:
        """Return the seconds of steps that are small: by bytes, by operations, or as the demo showed."""
        cohort, rates = self.cohort, self.rates
        data = cohort.subjects * (240e3 + 265e3) + cohort.unpaired * 240e3
        if job.step in ("assemble_dataset", "audit_leakage"):
            passes = 1 if job.step == "assemble_dataset" else 2
            return passes * data / rates.bytes_second["hash"] + data / READ_BYTES_SECOND
        if job.step == "index_shard":
            return 2 * cohort.files * 4e-6
        if job.step == "evaluate":
            return self._scoring_seconds() + 0.02 * self._fit_count()
        if job.step == "score_heatmap":
            line = rates.trainings.get("mmcl")
            return 2 * (self._forward(line, cohort.split["test"]) if line else 0.0)
        tests = cohort.split["test"] * self._fit_count()
        small = {
            "track": 0.05 * self._fit_count(),
            "trace_numbers": 2e-3 * self._fit_count() + 2e-6 * tests,
            "describe_run": 1e-3 * self._fit_count(),
            "make_figure": 3.0,
            "make_table": 0.4,
            "release": 5.0,
            "audit_withdrawn": 0.01 * self._fit_count() + 1e-5 * tests,
            "read_tabular": cohort.files * 2e-4,
        }
        return small.get(job.step, 0.1)

    def _fit_count(self) -> int:
        fits = sum(map(self._fractions, self.config["finetune"]["targets"]))
        encoders = len(self.config["finetune"]["encoders"]) + len(self.config["probe"]["encoders"]) + 1
        return fits * encoders

    def _fractions(self, target: str) -> int:
        return len(fractions_of(target, self.config["balance_subset"]))

    def _scoring_seconds(self) -> float:
        """Return the seconds of reading predictions and of metrics, influences and subgroups, per predicted value."""
        config = self.config
        fits = sum(outputs_of(target) * self._fractions(target) for target in config["finetune"]["targets"])
        encoders = len(config["finetune"]["encoders"]) + len(config["probe"]["encoders"]) + 1
        return 1e-6 * fits * encoders * len(config["finetune"]["seeds"]) * self.cohort.split["test"]


def likely_epochs(most: int, patience: int) -> Span:
    """Return how long a training with early stopping goes on."""
    least = min(patience + 1, most)
    return Span(least, math.sqrt(least * most), most)
