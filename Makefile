# The words of this project. `make demo` shows the whole loop, `make test` proves it.
SHELL := /bin/bash
BIN := .venv/bin
MONTHS ?= 5
KEEP ?=
PYTEST := $(BIN)/python -m pytest
# Files and folders that hold Python; `terraform/` and `docs/` hold none.
SOURCES := core blocks tasks flows deployments tests $(wildcard benchmarks)
FLOORS := core blocks tasks flows deployments

# Without bytecode every run of a flow takes two to three times as long (TRAPS.md, "Start-up").
unexport PYTHONDONTWRITEBYTECODE
# A caller's own Prefect server or profile has no part in what happens here.
unexport PREFECT_API_URL PREFECT_API_KEY PREFECT_PROFILE

.DEFAULT_GOAL := help
# Every word; none of them is a file.
.PHONY: $(shell grep -oE "^[a-z-]+:" $(firstword $(MAKEFILE_LIST)) | tr -d :)

help: ## list these words
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: ## create .venv from the locks; does nothing when it is up to date
	@scripts/setup.sh

demo: setup ## drive the whole loop on real flights (MONTHS=9 for the year, KEEP=1 leaves the servers up)
	@$(BIN)/prefect-mlops demo --months $(MONTHS) $(if $(KEEP),--keep)

lint: setup ## ruff, its formatter, and the contracts between the floors
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports --no-cache

format: setup ## let ruff write what `make lint` asks for
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

cost: setup ## what an idle month of both examples costs, by terraform/prices.yaml with its date
	@scripts/cost.sh

lint-infra: setup ## hadolint, zizmor, actionlint and checkov over images, workflows and terraform/, from their own lock
	@scripts/tools.sh
	.tools/bin/hadolint deployments/images/*.Dockerfile
	.tools/bin/zizmor --offline --no-progress --quiet .github/workflows
	@scripts/actionlint.sh || [[ $$? -eq 3 ]]
	@if [[ -d terraform ]]; then .tools/bin/checkov --directory terraform --framework terraform --skip-download --quiet --compact; fi

types: setup ## mypy --strict over all floors
	$(BIN)/mypy $(addprefix -p prefect_mlops.,$(FLOORS))

fast: setup ## core and the house rules, no process started, at most 30 s
	$(PYTEST) -q -m "not process and not slow" tests/core tests/house

test: setup ## every behaviour and one path per stage, at most 15 minutes
	$(PYTEST) -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: setup ## drills, infrastructure and the demo, at most 50 minutes
	$(PYTEST) -m slow -n 2 --dist loadfile --no-loadscope-reorder

bench-demo: setup ## the whole year with its table of seconds, as JSON under docs/results/
	$(BIN)/prefect-mlops demo --months 9 --results docs/results

bench-data: setup ## what 20 checks cost beside plain Great Expectations, Polars and pandera, as JSON under docs/results/
	$(BIN)/python benchmarks/validation.py all --results docs/results/bench-data.json

bench-suites: setup ## how often a proposed suite fails on clean flights, and which faults it catches, as JSON
	$(BIN)/python benchmarks/suites.py --results docs/results/bench-suites.json

bench-tables: setup ## what digests, appends and time travel cost while a table grows, as JSON under docs/results/
	$(BIN)/python benchmarks/tables.py --results docs/results/bench-tables.json

bench-studies: setup ## what splits and studies find on a year of flights, and how often their bounds are wrong, as JSON
	$(BIN)/python benchmarks/studies.py --results docs/results/bench-studies.json

bench-search: setup ## what a search's best is worth, naively and corrected, and what a search costs beside Optuna by hand, as JSON
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/search.py all --results docs/results/bench-search.json

bench-trainers: setup ## what training in parts costs on up to ten million rows of a table, as JSON
	$(BIN)/python benchmarks/trainers.py

bench-training: setup ## what mlops-train costs beside the bare script, and how good drafted specs are beside skrub, as JSON
	$(BIN)/python benchmarks/training.py --results docs/results/bench-training.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.drafts --results docs/results/bench-drafts.json

bench-gates: setup ## error rates and power of gates, bets, slices and intervals, and what a decision costs, as JSON under docs/results/
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.worlds --results docs/results/bench-gates-worlds.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.wagers --results docs/results/bench-gates-wagers.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.coverage --results docs/results/bench-gates-coverage.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.slices --results docs/results/bench-gates-slices.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.decisions --results docs/results/bench-gates-speed.json

bench-rollouts: setup ## how often a good canary is rolled back, and how soon a bad one is, as JSON under docs/results/
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/rollouts.py --results docs/results/bench-rollouts.json

bench-drill: setup ## what callers see while weights walk and candidate, driver and supervisor die, as JSON under docs/results/
	$(BIN)/python -m benchmarks.drill --results docs/results/bench-drill.json

bench-abtests: setup ## how often equal versions are told apart, intervals miss, and how many users a difference takes, as JSON
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.abtests --results docs/results/bench-abtests.json

bench-scoring: setup ## what scoring five million rows costs beside doing it by hand, and what kills leave of it, as JSON under docs/results/
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.scoring --results docs/results/bench-scoring.json

bench-serving: setup ## what a served model costs beside its peers, and what the gateway adds, as JSON under docs/results/
	$(BIN)/python -m benchmarks.serving --results docs/results/bench-serving.json

schema: setup ## write the JSON schema of specs, which flows and editors read
	@$(BIN)/python -m prefect_mlops.core.specparameter

lock: setup ## resolve the dependencies anew into requirements*.lock
	@scripts/lock.sh

clean: ## remove everything that the other words made
	rm -rf .venv .tools .types .worker .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
