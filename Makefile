# `make` alone tells what there is.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
SCALE ?= 30
LABS ?= 3
TESTERS ?= 2

# As pip does with what it installs: an environment may forbid that a start writes bytecode, and then pays for it each time.
COMPILE := $(BIN)/python -m compileall -q alertdrill dashboards

.DEFAULT_GOAL := help
.PHONY: help setup parts demo drills docs dashboards test kubernetes test-kubernetes lint verdicts predictions crash-matrix bench bench-toxiproxy soak lock clean

help: ## tell what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup: $(VENV)/.ready ## install what is needed: Debian packages, Toxiproxy, a virtual environment

$(VENV)/.ready: pyproject.toml constraints.txt lab/install.sh lab/apt.sh lab/install-toxiproxy.sh
	sh lab/install.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	sh lab/install-toxiproxy.sh $(BIN)
	$(COMPILE)
	touch $@

parts: ## fetch what the lab's parts need that are not always there: Kafka, Java, HAProxy
	sh lab/install-parts.sh

demo: setup ## prove one alert, for real, in about a minute
	$(BIN)/alertdrill drill configs/drills/database-latency.yml --lab --time-scale $(SCALE)

drills: setup ## prove every alert, each by a drill with a true cause, and that a healthy service fires none
	$(BIN)/alertdrill drill configs/drills/*.yml --lab --time-scale 60 --parallel $(LABS)

docs: setup ## write the pages that commands make
	$(BIN)/alertdrill explain configs/prometheus/rules.yml --format markdown > docs/seed-rules.md
	$(BIN)/python -m tools.prometheus_rule configs/prometheus/rules.yml > configs/kubernetes/prometheus-rule.yml

lint: setup ## style, types, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/alertdrill check configs/

dashboards: setup ## write the Grafana dashboards from their Python
	$(BIN)/python -m dashboards

test: lint parts ## everything: style, types, imports, units, and the real servers
# Most of it waits for real servers. Drills and loads are judged by the clock, and so have the machine for themselves.
	$(BIN)/pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder --ignore tests/integration --ignore tests/probes
	$(BIN)/pytest tests/integration tests/probes

kubernetes: ## build a Kubernetes control plane, once for each machine (eight minutes)
	nice sh lab/install-kubernetes.sh

test-kubernetes: setup kubernetes ## the faults of Kubernetes, and a whole drill, on a real control plane
	$(BIN)/pytest tests/kubernetes

verdicts: setup ## judge ten thousand simulated drills, of right engines and of wrong ones
	ALERTDRILL_CASES=10000 $(BIN)/pytest tests/agent/verdict/test_simulated.py

predictions: setup ## predicted against observed, for each kind of rule on real servers
	$(BIN)/python -m benchmarks.predictions --output benchmarks/PREDICTIONS.md

crash-matrix: setup ## kill, stop and cut off at every step of every fault, and see it whole again (EVERY=4: a quarter)
	PYTHONPATH=.:tests/support $(BIN)/python -m crashing.matrix --every $(or $(EVERY),1) --output docs/crash-matrix.md

bench: setup ## what the load costs: beside k6, vegeta and hey, and as it grows
	sh benchmarks/install.sh $(VENV)/bench-bin
	$(COMPILE)
	$(BIN)/python -m benchmarks.versus
	$(BIN)/python -m benchmarks.growth

bench-toxiproxy: setup ## how fast the embedded Toxiproxy is beside the real one
	$(BIN)/python -m benchmarks.toxiproxy

soak: setup ## whether memory stays flat in half an hour at 2,000/s
	sh benchmarks/install.sh
	$(BIN)/python -m benchmarks.soak

lock: setup ## pin every dependency with its hash again
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev -o constraints.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra build --extra kubernetes --extra postgres --extra redis -c constraints.txt -o constraints-agent.txt pyproject.toml

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
