# `make` without a target lists the targets.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
SCALE ?= auto
LABS ?= auto
TESTERS ?= 7

# More workers than cores: most tests wait for a server or a process most of the time.
# Each worker reads all tests, and each process that a test starts reads the packages: they are compiled only once.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --dist loadscope --no-loadscope-reorder

# Compile the tests once. After a fresh clone each worker would otherwise do it again, at the same time, for seven seconds of CPU.
READ_TESTS := $(PYTEST) --collect-only -qq --ignore=tests/kubernetes >/dev/null 2>&1

# Like pip after an installation: if PYTHONDONTWRITEBYTECODE is set, every start would otherwise compile the modules again.
# The packages are named because compileall follows no links inside a folder.
COMPILE := $(BIN)/python -m compileall -q alertdrill alertdrill/*/ dashboards

.DEFAULT_GOAL := help
.PHONY: help setup parts demo drills regress docs dashboards test test-fast kubernetes test-kubernetes lint verdicts regress-proof predictions explain-proof crash-matrix bench schedule-proof bench-daemon bench-pages bench-toxiproxy soak fuzz audit sbom lock clean

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

parts: ## install what optional parts of the lab and the tests of pages need: Kafka, Java, HAProxy, Chromium
	sh lab/install-parts.sh

demo: setup ## prove one alert on real servers, in about a minute
	$(BIN)/alertdrill drill configs/drills/database-latency.yml --lab --time-scale $(SCALE)

drills: setup ## prove every alert by a drill with a real cause, and that none fires without a fault
	$(BIN)/alertdrill drill configs/drills/*.yml --lab --time-scale $(SCALE) --parallel $(LABS)

regress: setup ## replay recorded drills with the rules as they are now, without servers
	$(BIN)/alertdrill regress run configs/regress

docs: setup ## write the files that are made by commands
	$(BIN)/alertdrill explain configs/prometheus/rules.yml --format markdown > docs/seed-rules.md
	$(BIN)/python -m tools.reference > docs/reference.md
	$(BIN)/python -m tools.prometheus_rule configs/prometheus/rules.yml payment-engine > configs/kubernetes/prometheus-rule.yml
	$(BIN)/python -m tools.prometheus_rule configs/prometheus/agent-rules.yml alertdrill > configs/kubernetes/monitoring/prometheus-rule.yml

lint: setup ## check style, types, imports between packages, and configs/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/alertdrill check configs/

dashboards: setup ## write the JSON of the Grafana dashboards
	$(BIN)/python -m dashboards

# The checks run beside the tests, and their lines appear together when they end. With $(MAKE), `make -n` would run it all.
test: setup parts ## run all checks and tests, with the real servers; those on Kubernetes are in test-kubernetes
	@{ said=$$(make --no-print-directory lint 2>&1); code=$$?; printf '\n%s\n' "$$said"; exit $$code; } & checks=$$!; \
	$(READ_TESTS); \
	$(PYTEST) -n $(TESTERS) --ignore=tests/kubernetes; tests=$$?; \
	wait $$checks || { echo "make lint failed, see above" >&2; exit 1; }; \
	exit $$tests

test-fast: setup ## run the tests that start no servers
	$(PYTEST) -n 4 --ignore=tests/kubernetes -m "not servers and not thorough"

kubernetes: ## build a Kubernetes control plane, once for each machine (eight minutes)
	nice sh lab/install-kubernetes.sh

# Two workers, each with a control plane.
test-kubernetes: setup kubernetes ## test the faults in Kubernetes and whole drills on a real control plane (SHORT=1: some of the steps, fewer pods)
	$(if $(SHORT),,ALERTDRILL_EVERY_STEP=1 ALERTDRILL_PODS=5000) $(PYTEST) -n 2 tests/kubernetes

verdicts: setup ## judge ten thousand simulated drills, with correct and with faulty rule engines, and check the simulator by promtool
	ALERTDRILL_CASES=10000 $(BIN)/pytest tests/agent/verdict/test_simulated.py
	ALERTDRILL_CASES=400 $(BIN)/pytest tests/simulator/test_against_promtool.py

regress-proof: setup ## make tests of five hundred simulated recordings, and compare them with correct and faulty rule engines
	ALERTDRILL_CASES=500 $(PYTEST) -n $(TESTERS) tests/agent/regression/test_simulated.py

predictions: setup ## compare predicted and observed instants for each kind of rule on real servers
	$(BIN)/python -m benchmarks.predictions --output benchmarks/PREDICTIONS.md

explain-proof: setup ## compare what explain says of five thousand drawn rules with promtool
	$(BIN)/python -m benchmarks.explaining --output benchmarks/EXPLAINING.md

crash-matrix: setup ## kill, stop and disconnect at every step of every fault, and check that it is undone (EVERY=4: a quarter)
	PYTHONPATH=.:tests/support $(BIN)/python -m crashing.matrix --every $(or $(EVERY),1) --output docs/crash-matrix.md

fuzz: setup ## feed 200,000 broken inputs to each reader of files, calls and answers, at most half an hour
	$(BIN)/python -m tools.fuzz

bench: setup ## measure the cost of the load, also for k6, vegeta and hey, and how it grows
	sh benchmarks/install.sh $(VENV)/bench-bin
	$(COMPILE)
	$(BIN)/python -m benchmarks.versus
	$(BIN)/python -m benchmarks.growth

bench-toxiproxy: setup ## measure the embedded Toxiproxy and the real one
	$(BIN)/python -m benchmarks.toxiproxy

schedule-proof: setup ## compare the times of 50 expressions in all zones, and kill 200 agents around an occurrence (KILLS=20: fewer)
	PYTHONPATH=. $(BIN)/python -m benchmarks.schedule --kills $(or $(KILLS),200)

bench-daemon: setup ## measure `alertdrill run` at 2,000/s under abuse for ten minutes (MINUTES=1: shorter)
	$(BIN)/python -m benchmarks.daemon --minutes $(or $(MINUTES),10)

bench-pages: setup parts ## measure the pages with ten thousand runs, 64 browsers and a day's events, in half an hour (SHORT=1: three minutes)
	$(BIN)/python -m benchmarks.pages $(if $(SHORT),--runs 300 --asks 20 --visits 2 --rounds 2 --seconds 5 --events 5400)

soak: setup ## measure memory in half an hour at 2,000/s
	sh benchmarks/install.sh
	$(BIN)/python -m benchmarks.soak

# Their programs have an environment of their own, beside that of the project.
AUDIT := $(VENV)/audit
CONSTRAINTS := constraints.txt constraints-agent.txt constraints-audit.txt

$(AUDIT)/.ready: constraints-audit.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r constraints-audit.txt
	touch $@

audit: setup $(AUDIT)/.ready ## look for known vulnerabilities of all pinned packages
	@echo urllib3==1.24.1 > $(AUDIT)/known.txt
	@$(AUDIT)/bin/pip-audit --disable-pip --no-deps --progress-spinner off --format json -r $(AUDIT)/known.txt 2> /dev/null \
	  | $(BIN)/python -m tools.supply_chain vulnerabilities
	$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes $(CONSTRAINTS:%=-r %)

sbom: setup $(AUDIT)/.ready ## list the agent's pinned packages in dist/alertdrill.cdx.json (CycloneDX)
	mkdir -p dist
	PYTHONWARNINGS=ignore $(AUDIT)/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-format JSON --output-file dist/alertdrill.cdx.json constraints-agent.txt
	$(BIN)/python -m tools.supply_chain sbom constraints-agent.txt dist/alertdrill.cdx.json

lock: setup ## pin all dependencies with their hashes again
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev -o constraints.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra build --extra calendars --extra email --extra kubernetes --extra postgres --extra redis -c constraints.txt -o constraints-agent.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --group audit -o constraints-audit.txt

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
