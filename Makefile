# Two commands matter: `make demo` runs the main job on the sandbox, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTS := cloudprovider controllers entrypoints/manager entrypoints/sandbox entrypoints/tools \
	providers/alicloud providers/aws
SOURCES := $(wildcard cloudprovider controllers entrypoints providers tests benchmarks docs examples)
WORKERS ?= 2
# Real processes wait for each other: a third of the time two of them leave the cores idle.
WAITING_WORKERS ?= 3
STAMP := $(VENV)/.installed

.PHONY: demo test check unit lint types imports format constraints clean docs bench bench-docs \
	envtest faults

demo: $(STAMP) ## play the main job on the sandbox
	$(BIN)/cloud-sandbox demo --cloud-provider=alicloud

test: $(STAMP) check ## everything
	$(BIN)/python -m pytest -n $(WAITING_WORKERS) --dist worksteal -m "e2e or contract or faults or packaging" tests

faults: $(STAMP) ## every fault at every point of every scenario: an hour of CPU
	$(BIN)/python -m benchmarks.campaign --processes $(WORKERS)

envtest: $(STAMP) ## compile a real kube-apiserver and etcd for the tests: minutes, once
	$(BIN)/python tests/envtest/controlplane.py

check: $(STAMP) lint types imports unit ## under two minutes; green at every commit

lint: $(STAMP)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports --no-logo

unit: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not (e2e or contract or faults or packaging)" tests

format: $(STAMP)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

docs: $(STAMP) ## write the generated pages anew
	$(BIN)/python docs/generate.py

bench: $(STAMP) ## measure, beside the Go manager and the goals (7 minutes)
	$(BIN)/python -m benchmarks.all

bench-docs: $(STAMP) ## the same, and write docs/reference/benchmarks.md
	$(BIN)/python -m benchmarks.all --write

$(STAMP): constraints.txt requirements-dev.txt $(addsuffix /setup.cfg,$(DISTS))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt setuptools wheel
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation \
		-c constraints.txt -r requirements-dev.txt
	touch $@

constraints: ## write constraints.txt from what is installed
	$(BIN)/python -m pip freeze --all --exclude-editable | grep -v '^pip==' > constraints.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name build -o -name '*.egg-info' -o -name __pycache__ | xargs rm -rf
