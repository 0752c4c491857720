# cmr2ecg: `make demo` runs the whole study on the synthetic cohort, `make test` the tests. Both set up Python first.

# The Python of the environment (default: the newest of 3.11 to 3.14); TORCH=cpu installs torch without CUDA.
PYTHON ?=
TORCH ?=
VENV := .venv
CORES ?= all
CONFIG ?= config/demo.yaml
COHORT ?= demo
PORT ?= 5000
ROUNDS ?= 5
SUBJECTS ?=
PYTHONS ?= python3.11 python3.12 python3.13 python3.14
PLAN ?=
DATA ?=
override VENV := $(patsubst ~/%,$(HOME)/%,$(VENV))
PLACE := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))
# A Mac's make looks for simple commands in its own PATH, not in the one below, unless the shell has no path.
SHELL := sh
export PATH := $(PLACE)/bin:$(PATH)
export PYTHONPATH := $(CURDIR)/src
# Never import from the working directory.
export PYTHONSAFEPATH := 1
export MLFLOW_DISABLE_TELEMETRY := true
# A Snakemake that was not killed leaves no lock.
LOCKED = test -z "$$(ls .snakemake/locks 2>/dev/null)" || echo "Another Snakemake is running in this folder, or one was killed. If none is running,\
 run 'make unlock$(if $(filter-out config/demo.yaml,$(CONFIG)), CONFIG=$(CONFIG))' once, then the same command again."
LOCK := pyproject.toml --universal --python-version 3.11 --no-header --no-emit-index-url --annotation-style=line
.DEFAULT_GOAL := help

.PHONY: help demo run unlock study results plan config settings test test-long test-all test-study test-pythons test-random lint format bench ui check-ui check-report report verify readme lock check-lock env bench-scale test-slurm test-faults test-interrupt bench-docs yardstick real-ecgs

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: config env  ## run the whole study on the synthetic cohort
	@python -m cmr2ecg.study.config_file $(CONFIG)
	@$(LOCKED)
	snakemake --cores $(CORES) --configfile $(CONFIG) --quiet rules

unlock: config env  ## remove the lock of a killed Snakemake: make unlock (CONFIG=...), then repeat the run
	snakemake --configfile $(CONFIG) --unlock

run: demo  ## run the study on your data: make run CONFIG=config/ukb.yaml

study: env  ## measure on a larger synthetic cohort what MMCL transfers, two hours (docs/results.md); resumes
	$(MAKE) --no-print-directory run CONFIG=config/study.yaml

plan: config env  ## estimate the cost of a run: make plan CONFIG=config/ukb.yaml (SUBJECTS=40044)
	@python -m cmr2ecg.plan --configfile $(CONFIG) $(if $(SUBJECTS),--subjects $(SUBJECTS)) $(PLAN)

config:
	@test -w . || { echo "$(CURDIR) is not writable: make it writable, or work in a copy"; exit 1; }
	@test -r "$(CONFIG)" || { echo "there is no config file $(CONFIG): name one with make run CONFIG=config/ukb.yaml"; exit 1; }

test: env  ## run the fast tests, ten minutes
	OMP_NUM_THREADS=1 pytest -n logical --maxprocesses 4 --no-loadscope-reorder -m "not long"

test-long: env  ## run the slow tests: interrupted and moved studies, two processes, real records
	pytest -m long

test-all:  ## run all tests, including SLURM where root on Debian
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-long
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(MAKE) --no-print-directory test-slurm; \
		else echo "not root on Debian: skipping make test-slurm"; fi

test-study: env  ## run only the tiny study, from raw files to tables
	OMP_NUM_THREADS=1 pytest -m "not long" tests/workflow/test_study.py

test-pythons:  ## run make test with each Python of PYTHONS, in its own environment (.venv-NAME)
	@for python in $(PYTHONS); do command -v $$python >/dev/null || { echo "no $$python here: skipped"; continue; }; \
		name=$$($$python -c 'import sys; print(*sys.version_info[:2], sep=".")') || exit 1; \
		$(MAKE) --no-print-directory test VENV=.venv-$$name PYTHON=$$python || exit 1; done

test-random: env  ## run the property-based tests with a new seed
	pytest --hypothesis-profile=random --hypothesis-seed=$$(date +%s) -m "not slow"

test-faults: env  ## plant 60 faults that would change results in silence, one at a time, and say which the tests catch (ONLY=...)
	OMP_NUM_THREADS=1 python tests/faults/plant.py $(if $(ONLY),--only "$(ONLY)")

test-interrupt: env  ## interrupt ROUNDS studies at random points, some minutes each; CMR2ECG_SEED=N repeats
	CMR2ECG_SEED=$${CMR2ECG_SEED:-$$(date +%s)} CMR2ECG_ROUNDS=$(ROUNDS) pytest -vv tests/workflow/test_interruptions.py

test-slurm: env  ## run the tiny study through a SLURM started on this machine (root on Debian)
	tests/slurm/one_node pytest tests/workflow/test_slurm.py

lint: env  ## check the style of Python and Snakemake code, and the types of Python
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

format: env  ## fix the style
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

bench: env  ## measure speed and memory, write results/bench.json; ONLY="data fits" repeats these stages
	PYTHONPATH="$(PYTHONPATH):$(CURDIR)/tests" python -m bench.all --output results/bench.json $(if $(ONLY),--only $(ONLY))

bench-scale: env  ## time and memory of the cohort-wide steps on 40,044 synthetic subjects
	PYTHONPATH="$(PYTHONPATH):$(CURDIR)/tests" python -m bench.scale --output results/bench_scale.json

bench-docs: env  ## write the numbers of both into docs/benchmarks.md
	PYTHONPATH="$(PYTHONPATH):$(CURDIR)/tests" python docs/update_benchmarks.py

ui: env  ## open MLflow at http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --backend-store-uri sqlite:///results/$(COHORT)/mlflow.db --host 127.0.0.1 --port $(PORT)

check-report: report  ## write the report, open it in headless Chromium, take screenshots
	PYTHONPATH="$$PYTHONPATH:$(CURDIR)/tests" python -m browser.check_report --report results/$(COHORT)/report.html --results results/$(COHORT) --pictures results/$(COHORT)/report_pictures

check-ui: env  ## open the MLflow UI in headless Chromium, take a screenshot
	PYTHONPATH="$$PYTHONPATH:$(CURDIR)/tests" python -m browser.check_ui --database results/$(COHORT)/mlflow.db --screenshot results/$(COHORT)/mlflow.png

report: env  ## write Snakemake's HTML report of a finished run
	@python -m cmr2ecg.study.config_file $(CONFIG)
	snakemake --configfile $(CONFIG) --report results/$(COHORT)/report.html

verify: env  ## recompute a finished run's tables from its predictions and compare
	python -m cmr2ecg.verify --provenance results/$(COHORT)/trace_numbers/provenance.json

readme: env  ## write the finished demo's tables and figure into README.md
	python docs/update_readme.py

results: env  ## write the finished study's numbers and figures into docs/results.md
	python docs/update_results.py

yardstick: env  ## measure quality control and heart finder on public recordings: make yardstick DATA=folder
	@test -d "$(DATA)" || { echo "give the folder that docs/real_ecgs/prepare.py wrote: make yardstick DATA=folder"; exit 1; }
	python docs/update_yardstick.py "$(DATA)"

real-ecgs: env  ## write docs/real_ecgs.md from a finished run of config/ptbxl.yaml: make real-ecgs DATA=folder
	@test -d "$(DATA)" || { echo "give the folder that docs/real_ecgs/prepare.py wrote: make real-ecgs DATA=folder"; exit 1; }
	python docs/update_real_ecgs.py "$(DATA)"

settings: env  ## write config/paper.yaml, its README and its schema from src/cmr2ecg/study/settings
	python -m cmr2ecg.study.settings.write

lock: env  ## compile pyproject.toml to the pinned files in envs
	uv pip compile -q $(LOCK) --extra train --group dev --generate-hashes -o envs/requirements.txt
	uv pip compile -q $(LOCK) --constraints envs/requirements.txt --generate-hashes -o envs/requirements-predict.txt
	uv pip compile $(LOCK) --extra train --no-annotate --constraints envs/requirements.txt 2>/dev/null | python envs/write_environment.py

check-lock: env  ## check that the package index has all pins for every Python and platform
	python envs/check_lock.py

env:  ## create the Python environment with the command cmr2ecg
	$(if $(filter-out cpu cuda,$(TORCH)),$(error TORCH=$(TORCH): expected cpu or cuda))
	@command -v git >/dev/null || { echo "cmr2ecg needs git: install it and run again"; exit 1; }
	@python=$$(envs/find_python "$(PLACE)" "$(PYTHON)") && "$$python" envs/environment.py "$(PLACE)" $(if $(PYTHON),--python) $(if $(TORCH),--torch $(TORCH))
