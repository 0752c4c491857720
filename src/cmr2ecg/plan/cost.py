"""What a job costs: its counted operations and bytes at the measured rates, as a range.

Where the ranges come from:
- a training's steps: how far repeated steps differed here, and SCATTER for what one minute does not see;
- more cores than were measured: from all of them working to half (`threads_loss`);
- early stopping: from `patience` + 1 epochs to all of them, likely their geometric mean;
- steps without a benchmark of their own: a factor of ROUGH both ways;
- a GPU: a factor of ROUGH both ways about the assumed share of its peak.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cmr2ecg.plan.cohort import Cohort, outputs_of
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.measure import Line, Rates
from cmr2ecg.plan.sizes import FLOAT, RESUMED_COPIES, Sizes, features_of, fields_of
from cmr2ecg.runtime.imports import reached_files
from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.settings.cohort import BalanceSubset
from cmr2ecg.study.targets import WHOLE, fractions_of, is_regression
from cmr2ecg.training.fit.finetune import epochs_between_validations

SCATTER, ROUGH = 1.25, 2.0
EVALUATION_BATCH = 256
FORWARD = 1 / 3  # of a training step
SEED_SECONDS = 0.15  # of a fit's seed beside its epochs: building, predicting, writing
READ_BYTES_SECOND = 500e6  # of recordings, on an ordinary disk
USES_TORCH = re.compile(r"^\s*(import|from) (torch|timm)\b", re.MULTILINE)
FITTED = {"ecg_encoder": "finetune_ecg", "ecg_cnn": "finetune_cnn", "cmr_encoder": "finetune_cmr"}
COUNTED = ("mask_ratio", "projector", "contrast", "leads")  # a method's settings that change a step's operations


@dataclass(frozen=True)
class Span:
    """A number that is not known exactly; sums add the ends, as if all errors had the same sign: the careful way."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    @classmethod
    def exactly(cls, value: float) -> "Span":
        """Return a number without a range."""
        return cls(value, value, value)

    @classmethod
    def within(cls, value: float, factor: float) -> "Span":
        """Return a number that is right up to a factor both ways."""
        return cls(value / factor, value, value * factor)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, other: "Span | float") -> "Span":
        if not isinstance(other, Span):
            other = Span.exactly(other)
        return Span(self.low * other.low, self.likely * other.likely, self.high * other.high)

    __rmul__ = __mul__


NOTHING = Span()


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
    """Seconds on the cores, the same with a training on a GPU, operations, bytes on disk and in memory at once."""

    seconds: Span = NOTHING
    gpu_seconds: Span = NOTHING
    operations: Span = NOTHING
    disk: float = 0.0
    memory: float = 0.0


def kind_of(job: Job) -> str:
    """Return the kind of training a job does (a key of steps.OBJECTIVE_OF or steps.FITTED), or ""."""
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
        sizes = Sizes(self.config, self.cohort, self.rates)
        start = Span.within(self.rates.start_seconds["torch" if with_torch else "light"], SCATTER)
        disk, memory = sizes.disk(job, kind), sizes.memory(job, kind, with_torch)
        if not kind:
            return Cost(start + self._other(job), disk=disk, memory=memory)
        work, operations = self._training(job, kind)
        start += Span.within(sizes.held(job, fields_of(job, kind)) / READ_BYTES_SECOND, ROUGH)
        on_gpu = start + Span.within(self.gpu.seconds(1.0), ROUGH) * operations
        return Cost(start + work * self.threads_loss(job.threads), on_gpu, operations, disk, memory)

    def threads_loss(self, threads: int) -> Span:
        """Return what a second on the measured cores is on a job's: all cores work, or half of the added ones."""
        ratio = self.rates.threads / threads
        if threads <= self.rates.threads:
            return Span.exactly(1.0)
        return Span(ratio, ratio, (ratio + 1) / 2)

    def _training(self, job: Job, kind: str) -> tuple[Span, Span]:
        """Return seconds on the measured cores, and operations."""
        line = self._line(job, kind)
        measured = Span.within(1.0, SCATTER * (1 + line.spread))
        if job.step == "probe":
            passes = _forward(self.cohort.subjects * max(runs for _, _, runs in job.fits))
            (steps, subjects), beside = map(Span.exactly, passes), self._probing(job)
        else:
            pretraining = job.step.startswith("pretrain_")
            steps, subjects, seconds = self._pretraining(job, kind, line) if pretraining else self._fitting(job)
            beside = seconds * measured
        return (line.per_step * steps + line.per_subject * subjects) * measured + beside, line.operations * subjects

    def _line(self, job: Job, kind: str) -> Line:
        """Return the cost of a pre-training's step, scaled by its operations if they are not those of the measured."""
        line = self.rates.trainings[kind]
        if not job.step.startswith("pretrain_"):
            return line
        models, method = job.settings["models"], job.settings["method"]
        if what_counts(models, method) == what_counts(*self.rates.kinds[kind]):
            return line
        from cmr2ecg.plan.steps import operations_of  # of an ablation alone, and heavy

        return line.scaled_to(operations_of(kind, models, method))

    def _pretraining(self, job: Job, kind: str, line: Line) -> tuple[Span, Span, Span]:
        """Return steps, their subjects, and the seconds beside them; validating counts as a part of a step."""
        method, val = job.settings["method"], self.cohort.split["val"]
        most = self.cohort.pretrained_on(kind, method)
        n = min(method.get("pairs", most), most)
        batch = max(1, min(method["batch_size"], n))
        steps = n // batch if kind != "mae" else math.ceil(n / batch)
        trained = min(n, steps * batch)
        resume = RESUMED_COPIES * FLOAT * line.parameters / self.rates.bytes_second["write"]
        checked_steps, checked = _forward(val, batch)
        steps, subjects, seconds = (
            Span.exactly(method["epochs"] * part) for part in (steps + checked_steps, trained + checked, resume)
        )
        return steps, subjects, seconds

    def _fitting(self, job: Job) -> tuple[Span, Span, Span]:
        """Return the steps of all fits of a job, their subjects, and the seconds beside them."""
        steps, subjects, seconds = NOTHING, NOTHING, NOTHING
        for target, fraction, runs, method, epochs in self._sweep_fits(job) if job.step == "sweep" else self._fits(job):
            an_epoch = self._epoch(target, fraction, method, sweep=job.step == "sweep")
            predicted = 0 if job.step == "sweep" else self.cohort.split["val"] + self.cohort.split["test"]
            last = _forward(predicted)
            steps += runs * (epochs * an_epoch[0] + Span.exactly(last[0]))
            subjects += runs * (epochs * an_epoch[1] + Span.exactly(last[1]))
            seconds += Span.exactly(runs * SEED_SECONDS)
        return steps, subjects, seconds

    def _epoch(self, target: str, fraction: int, method: Mapping[str, Any], *, sweep: bool) -> tuple[float, float]:
        """Return the steps of an epoch and their subjects, those of validating among them."""
        n, val = self.cohort.trained_on(target, fraction), self.cohort.scored_on(target, "val")
        steps = math.ceil(n / method["batch_size"])
        epochs = max(method["epochs"], math.ceil(method["minimum_steps"] / max(steps, 1)))
        every = 1 if sweep else epochs_between_validations(method["validation_interval"], max(steps, 1), epochs)
        checked_steps, checked = _forward(val / every)
        return steps + checked_steps, n + checked

    def _fits(self, job: Job) -> list[tuple]:
        method = job.settings["method"]
        return [(*fit, method, self._epochs(method, *fit[:2])) for fit in job.fits]

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
        return [(job.wildcards["target"], 100, len(plan["seeds"]), {**fixed, **trial}, epochs) for trial in trials]

    def _probing(self, job: Job) -> Span:
        """Return the seconds of linear models with every alpha: one normal equation, or 200 passes over features."""
        features = features_of(job.settings["models"], network_of(job.encoder))
        operations = 0.0
        for target, fraction, runs in job.fits:
            n = self.cohort.trained_on(target, fraction)
            # A product with a vector runs at a tenth of the rate.
            one = 2.0 * n * features**2 + features**3 / 3 if is_regression(target) else 200 * 4.0 * n * features * 10
            operations += runs * one
        fits = sum(runs for _, _, runs in job.fits)
        alphas = len(job.settings["method"]["penalties"])
        return Span.within(alphas * (operations / (self.rates.gflops_matrix * 1e9) + 0.01 * fits), 4.0)

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
        grid = job.settings.get("grid", {})
        if not grid:
            rounds = job.settings["method"]["rounds"]
            return sum(runs * self._forest_seconds(target, fraction, rounds) for target, fraction, runs in job.fits)
        forests = math.prod(len(values) for name, values in grid.items() if name != "rounds")
        one = self._forest_seconds(job.wildcards["target"], WHOLE, max(grid["rounds"]))
        return len(job.settings["seeds"]) * forests * one

    def _forest_seconds(self, target: str, fraction: int, rounds: int) -> float:
        rows, outputs = self.cohort.trained_on(target, fraction), outputs_of(target)
        scored = rounds * 3e-4  # of a curve's point: predicting and scoring the validation subjects
        return outputs * (rounds * rows * self.rates.tree_seconds + scored)

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
            values = self._fit_count(outputs_of) * len(self.config["finetune"]["seeds"]) * cohort.split["test"]
            return 1e-6 * values + 0.02 * self._fit_count()  # metrics, influences and subgroups, per predicted value
        if job.step == "score_heatmap":
            line = rates.trainings.get("mmcl")  # none where its weights are imported
            return 2 * line.seconds(*_forward(cohort.split["test"])) if line else 0.0
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

    def _models(self) -> int:
        """Return how many models have predictions: encoders that are fine-tuned or probed, and the tabular one."""
        return len(self.config["finetune"]["encoders"]) + len(self.config["probe"]["encoders"]) + 1

    def _fit_count(self, each: Callable[[str], int] = lambda target: 1) -> int:
        """Return the number of fits of all models, each counted as often as `each` says of its target."""
        subsets = BalanceSubset.model_validate(self.config["balance_subset"])
        targets = self.config["finetune"]["targets"]
        return self._models() * sum(each(target) * len(fractions_of(target, subsets)) for target in targets)


def what_counts(models: Mapping[str, Any], method: Mapping[str, Any]) -> str:
    """Return what the operations of a training's step depend on, as JSON."""
    return json.dumps([models, {name: method[name] for name in COUNTED if name in method}], sort_keys=True)


def _forward(subjects: float, batch: int = EVALUATION_BATCH) -> tuple[float, float]:
    """Return what computing without training is in training steps and their subjects."""
    return FORWARD * math.ceil(subjects / batch), FORWARD * subjects


def likely_epochs(most: int, patience: int) -> Span:
    """Return how long a training with early stopping lasts."""
    least = min(patience + 1, most)
    return Span(least, math.sqrt(least * most), most)
