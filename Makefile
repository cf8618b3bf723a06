# Everything a person or a machine runs here. Needs Python 3.11, git, make, a C compiler and a package registry.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date
OLDEST_DUCKDB := $(VENV)/duckdb-1.5

.PHONY: setup oldest-duckdb demo test check lock bench bench-catalog bench-planner bench-peers bench-handoff bench-backfill bench-many-cells soak faults faults-network chaos clean

setup: $(STAMP)

# One environment with the project, its extras and the test tools, pinned with hashes.
$(STAMP): requirements.lock requirements-duckdb-1.5.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "needs Python 3.11 or newer: make setup PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(MAKE) --no-print-directory oldest-duckdb
	touch $@

# DuckDB 1.5 in a folder of its own, for the tests that run the product on both lines.
oldest-duckdb:
	rm -rf $(OLDEST_DUCKDB)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(OLDEST_DUCKDB) --no-deps \
	    --require-hashes -r requirements-duckdb-1.5.lock

# A year of real flights: land the raw files, make everything that is stale, show where it stands.
demo: setup
	$(BIN)/python sample_project/land.py
	$(BIN)/assets backfill "*" --partitions 2013-01-01..2013-12-31 --project sample_project
	$(BIN)/assets status --project sample_project
	@echo
	@echo "Where to go next (see README.md, \"A walk-through\"):"
	@echo "  $(BIN)/assets plan --project sample_project                          # nothing is stale now"
	@echo "  $(BIN)/assets explain departures@2013-01-01 --project sample_project # what made this number"
	@echo "  $(BIN)/assets lineage carrier_year --upstream --project sample_project"
	@echo "  $(BIN)/assets query \"FROM carrier_year LIMIT 5\" --project sample_project"
	@echo "Then change a function in sample_project/nycflights and run \`assets plan\` again."

test: setup
	$(BIN)/python -m pytest -n 2

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python benchmarks/overhead.py

# Renew the pins after a change of dependencies.
lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --all-extras --group dev pyproject.toml --output-file requirements.lock
	echo "duckdb==1.5.5" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps \
	    --no-emit-index-url --no-header --no-annotate --output-file requirements-duckdb-1.5.lock -

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf sample_project/.assets sample_project/landing

bench-catalog: setup
	$(BIN)/python benchmarks/journal_and_index.py --cells 1000000

bench-planner: setup
	$(BIN)/python benchmarks/planner.py

# Installs each peer in an environment of its own below benchmarks/.peers, the first time.
bench-peers: setup
	$(BIN)/python benchmarks/peers/compare.py

bench-handoff: setup
	$(BIN)/python benchmarks/handoff.py

bench-backfill: setup
	$(BIN)/python benchmarks/backfill.py

bench-many-cells: setup
	$(BIN)/python benchmarks/many_cells.py --cells 10000 30000 100000

soak: setup
	$(BIN)/python tests/properties/soak.py --examples 10000

# Half an hour: every fault at every system call, a thousand damages, eight writers and eight readers for a minute.
faults: setup
	$(BIN)/python tests/faults/every_call.py
	$(BIN)/python tests/faults/damages.py --cases 1000
	$(BIN)/python tests/faults/many_processes.py --seconds 60 --writers 8 --readers 8

# A Dask worker behind a network that goes away, between two network namespaces. As root, where there is ip.
faults-network: setup
	$(BIN)/python tests/faults/network_namespaces.py

# Ten minutes: workers, coordinators and schedulers are killed and paused, the disk is full for a while, sources change.
chaos: setup
	$(BIN)/python tests/faults/chaos.py --seconds 600 --executors threads,processes,dask
