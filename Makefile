# `make` without a target lists the targets.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
SCALE ?= 30
LABS ?= 3
TESTERS ?= 3

# More workers than cores: most tests wait for a server or a process most of the time.
# Each worker reads all tests, and each process that a test starts reads the packages: they are compiled only once.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --dist loadscope --no-loadscope-reorder

# Like pip after an installation: if PYTHONDONTWRITEBYTECODE is set, every start would otherwise compile the modules again.
# The packages are named because compileall follows no links inside a folder.
COMPILE := $(BIN)/python -m compileall -q alertdrill alertdrill/*/ dashboards

.DEFAULT_GOAL := help
.PHONY: help setup parts demo drills docs dashboards test test-fast kubernetes test-kubernetes lint verdicts predictions crash-matrix bench bench-toxiproxy soak fuzz lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: $(VENV)/.ready ## install Debian packages, Toxiproxy, and a virtual environment

$(VENV)/.ready: pyproject.toml constraints.txt lab/install.sh lab/apt.sh lab/install-toxiproxy.sh
	sh lab/install.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	sh lab/install-toxiproxy.sh $(BIN)
	$(COMPILE)
	touch $@

parts: ## install what the lab's optional parts need: Kafka, Java, HAProxy
	sh lab/install-parts.sh

demo: setup ## prove one alert on real servers, in about a minute
	$(BIN)/alertdrill drill configs/drills/database-latency.yml --lab --time-scale $(SCALE)

drills: setup ## prove every alert by a drill with a real cause, and that none fires without a fault
	$(BIN)/alertdrill drill configs/drills/*.yml --lab --time-scale 60 --parallel $(LABS)

docs: setup ## write the files that are made by commands
	$(BIN)/alertdrill explain configs/prometheus/rules.yml --format markdown > docs/seed-rules.md
	$(BIN)/python -m tools.prometheus_rule configs/prometheus/rules.yml > configs/kubernetes/prometheus-rule.yml

lint: setup ## check style, types, imports between packages, and configs/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/alertdrill check configs/

dashboards: setup ## write the JSON of the Grafana dashboards
	$(BIN)/python -m dashboards

# The checks run beside the tests, and their lines appear together when they end. With $(MAKE), `make -n` would run it all.
test: setup parts ## run all checks and tests, with the real servers
	@{ said=$$(make --no-print-directory lint 2>&1); code=$$?; printf '\n%s\n' "$$said"; exit $$code; } & checks=$$!; \
	$(PYTEST) -n $(TESTERS); tests=$$?; \
	wait $$checks || { echo "make lint failed, see above" >&2; exit 1; }; \
	exit $$tests

test-fast: setup ## run the tests that start no servers
	$(PYTEST) -n auto -m "not servers and not thorough"

kubernetes: ## build a Kubernetes control plane, once for each machine (eight minutes)
	nice sh lab/install-kubernetes.sh

test-kubernetes: setup kubernetes ## test the faults in Kubernetes and a whole drill on a real control plane
	ALERTDRILL_EVERY_STEP=1 $(BIN)/pytest tests/kubernetes

verdicts: setup ## judge ten thousand simulated drills, with correct and with faulty rule engines
	ALERTDRILL_CASES=10000 $(BIN)/pytest tests/agent/verdict/test_simulated.py

predictions: setup ## compare predicted and observed instants for each kind of rule on real servers
	$(BIN)/python -m benchmarks.predictions --output benchmarks/PREDICTIONS.md

crash-matrix: setup ## kill, stop and disconnect at every step of every fault, and check that it is undone (EVERY=4: a quarter)
	PYTHONPATH=.:tests/support $(BIN)/python -m crashing.matrix --every $(or $(EVERY),1) --output docs/crash-matrix.md

fuzz: setup ## feed 200,000 broken inputs to each reader of files, calls and answers, at most half an hour each
	$(BIN)/python -m tools.fuzz

bench: setup ## measure the cost of the load, also for k6, vegeta and hey, and how it grows
	sh benchmarks/install.sh $(VENV)/bench-bin
	$(COMPILE)
	$(BIN)/python -m benchmarks.versus
	$(BIN)/python -m benchmarks.growth

bench-toxiproxy: setup ## measure the embedded Toxiproxy and the real one
	$(BIN)/python -m benchmarks.toxiproxy

soak: setup ## measure memory in half an hour at 2,000/s
	sh benchmarks/install.sh
	$(BIN)/python -m benchmarks.soak

lock: setup ## pin all dependencies with their hashes again
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev -o constraints.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra build --extra kubernetes --extra postgres --extra redis -c constraints.txt -o constraints-agent.txt pyproject.toml

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
