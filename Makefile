# Guichet: `make run` and `make test` work from a fresh clone. `make help` says the rest.

PYTHON ?= python3
VENV := .venv
SYNAPSE := .venv-synapse
MUTANTS := .venv-mutants
SYDENT := .venv-sydent
MESSENGER := .venv-messenger
SCANNER := .venv-scanner
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check --require-hashes --requirement
ARGS ?=

# What the tests need from Debian, and how each is recognised.
DEBIAN := postgresql redis-server chromium fonts-liberation nginx-light postfix faketime systemd prometheus pgbouncer libnss-wrapper \
	clamav-daemon clamdscan libmagic1 python3-olm
FOUND_postgresql = ls /usr/lib/postgresql/*/bin/initdb || command -v initdb
FOUND_redis-server = command -v redis-server
FOUND_faketime = command -v faketime
FOUND_postfix = test -x /usr/sbin/postfix
FOUND_pgbouncer = command -v pgbouncer || test -x /usr/sbin/pgbouncer
FOUND_libnss-wrapper = ls /usr/lib/*/libnss_wrapper.so*
FOUND_prometheus = command -v prometheus && command -v promtool
FOUND_chromium = command -v chromium
FOUND_nginx-light = command -v nginx || test -x /usr/sbin/nginx
# It does not run here: its parser of settings and its judge of units are asked.
FOUND_systemd = test -x /usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator
FOUND_clamav-daemon = command -v clamd || test -x /usr/sbin/clamd
FOUND_clamdscan = command -v clamdscan
FOUND_libmagic1 = ls /usr/lib/*/libmagic.so.1
# For the scanner's environment, which is made of Debian's Python.
FOUND_python3-olm = /usr/bin/python3 -c 'import olm'
FOUND_lintian = command -v lintian
FOUND_wrk = command -v wrk
FOUND_fonts-liberation = ls /usr/share/fonts/truetype/liberation*

WHEEL := setup.cfg pyproject.toml asgi.py wsgi.py $(shell find identity domain_rules workers -type f ! -name '*.pyc')

# The whole suite goes on every core and one more, since half of it waits for servers; a file at a time.
# What ARGS names runs in the order it stands.
PROCESSES = $(shell expr $$(nproc) + 1)
STORIES = $(or $(wildcard tests/*/$(STORY)),$(error there are no tests of a story called $(STORY)))
EVERYTHING = --numprocesses $(PROCESSES) --maxprocesses 5 --dist loadfile --no-loadscope-reorder

# The tests start hundreds of Python processes: each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo unit test coverage mutants faults pictures long sure bench clean migration requirements release deb debian

help:  ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand --tabs=16

run: $(VENV)/.service  ## Start Guichet on http://127.0.0.1:8090 (ARGS="--port 9000")
	@GUICHET_ENV_FILE= exec $(BIN)/guichet serve $(ARGS)

demo: $(VENV)/.service $(SYNAPSE)/.ready  ## Run a whole federation: three Synapses and Guichet (ARGS="--port 20000 --scanner")
	@# Without Debian's packages, npm's registry, or what the scanner needs, the demo starts all the same, and says so.
	@[ "$$(id -u)" != 0 ] || $(MAKE) --no-print-directory debian DEBIAN="$(OF_THE_DEMO)" || true
	@$(call TRY,$(MESSENGER),the messenger)
	@$(if $(findstring --scanner,$(ARGS)),$(call TRY,$(SCANNER),the scanner))
	@exec $(BIN)/python -m examples.demo $(ARGS)

OF_THE_DEMO = nginx-light clamav-daemon$(if $(findstring --scanner,$(ARGS)), clamdscan libmagic1 python3-olm)

# Whoever is offline waits seconds, not minutes: the registries are asked once.
TRY = $(MAKE) --question $(1)/.ready >/dev/null 2>&1 || { echo "Installing $(2) into $(1), once"; \
	PIP_RETRIES=0 npm_config_fetch_retries=0 npm_config_fetch_timeout=60000 $(MAKE) --silent $(1)/.ready >/dev/null 2>&1 || true; }

unit: $(VENV)/.test  ## Run the tests that need no server, in under half a minute: the loop to work in
	@# Databases stand in memory, and the plugin for API documents stays out: it takes seconds to load.
	PYTEST_DEBUG_TEMPROOT=$(wildcard /dev/shm) $(BIN)/pytest -p no:schemathesis --numprocesses $$(nproc) --dist worksteal tests/unit -m "not postgresql and not slow and not long" $(ARGS)

test: debian $(VENV)/.test $(SYNAPSE)/.ready $(MESSENGER)/.ready $(SCANNER)/.ready  ## Run every test (STORY=invitations, or ARGS="-k mail")
	$(BIN)/pytest $(if $(STORY),$(STORIES)) $(or $(ARGS),$(EVERYTHING))

coverage: debian $(VENV)/.test $(SYNAPSE)/.ready $(MESSENGER)/.ready $(SCANNER)/.ready  ## Measure which lines and branches the tests pass through (htmlcov/)
	$(BIN)/coverage erase
	@# If a test fails, what was measured is shown all the same.
	$(BIN)/coverage run -m pytest $(or $(ARGS),$(EVERYTHING)); tested=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage html --quiet && $(BIN)/coverage report && exit $$tested

mutants: $(MUTANTS)/.ready  ## Change the code in small ways and see whether a test notices (three hours; ARGS=domain_rules.rules*)
	$(MUTANTS)/bin/mutmut run $(ARGS)
	$(MUTANTS)/bin/mutmut results

faults: debian $(VENV)/.test $(SYNAPSE)/.ready  ## Let everything fail that can fail, and print what followed as a table
	$(BIN)/pytest -m "faults" $(ARGS)

pictures: debian $(VENV)/.test  ## Take a picture of every screen of the console, in artefacts/console
	$(BIN)/pytest -m long tests/browser/console/test_every_screen.py tests/browser/console/test_passkeys.py $(ARGS)

long: DEBIAN += lintian
long: debian $(VENV)/.test $(SYNAPSE)/.ready  ## Run the tests that take minutes or hours (ARGS="-k hostile")
	$(BIN)/pytest -m long $(ARGS)

sure: $(VENV)/.test  ## Check format, style, types and directions of imports (a minute)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tests.architecture.lengths

bench: DEBIAN = wrk
bench: debian $(VENV)/.test $(SYNAPSE)/.ready $(SYDENT)/.ready  ## Measure speed, as ratios in one run (a quarter of an hour; ARGS=hash_details, or "--beside PATH")
	$(BIN)/python -m bench $(ARGS)

migration: $(VENV)/.test  ## Write the next migration from the tables: make migration m="what changes"
	@test -n "$(m)" || { echo 'Say what changes: make migration m="accounts have a language"' >&2; exit 2; }
	@rm -rf build/migration && mkdir -p build/migration
	@$(BIN)/python -c "$$NEW_MIGRATION" "$(m)"

define NEW_MIGRATION
import sys
from alembic import command
from identity import migrations
url = "sqlite:///build/migration/compared.db"
migrations.upgrade(url)
command.revision(migrations.alembic_config(url), sys.argv[1], autogenerate=True)
endef
export NEW_MIGRATION

requirements: | $(BIN)/python  ## Pin the newest versions that fit setup.cfg, with their hashes
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==0.13.9
	$(PIN) --extra service --extra passkeys setup.cfg requirements/build.in --output-file requirements/service.txt
	@# What matrix-nio brings: the last release with a wheel, so that nothing is built here.
	$(PIN) --extra service --extra passkeys --extra test --constraint requirements/service.txt \
		--only-binary atomicwrites setup.cfg requirements/build.in --output-file requirements/test.txt
	$(PIN) setup.cfg requirements/synapse.in --output-file requirements/synapse.txt
	$(PIN) --constraint requirements/test.txt requirements/mutants.in --output-file requirements/mutants.txt
	$(PIN) requirements/bench.in --output-file requirements/bench.txt
	$(PIN) requirements/messenger.in --output-file requirements/messenger.txt
	$(PIN) $(patsubst %,--no-emit-package %,python-olm cffi pycparser) requirements/scanner.in --output-file requirements/scanner.txt

PIN = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header

release: $(VENV)/.test  ## Build what is released into dist/, of what is committed, and check it
	@test -z "$$(git status --porcelain)" || { echo "Commit first: what git holds is released." >&2; exit 1; }
	rm -rf dist build && mkdir -p build/release
	git archive HEAD | tar -x -C build/release
	cd build/release && $(CURDIR)/$(BIN)/python -c "$$BUILD_SDIST" $(CURDIR)/dist >../release.log 2>&1 \
		|| { cat ../release.log; exit 1; }
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist dist/*.tar.gz
	RELEASE=dist $(BIN)/pytest tests/architecture/test_release.py
	@ls dist
	@version=$$(sed -n 's/^version = //p' setup.cfg); echo "All is well. Now make the tag by hand:" \
		"git tag --annotate v$$version --message \"Guichet $$version\""

deb: $(VENV)/.service  ## Build the Debian package into dist/, of what is committed (two minutes)
	@test -z "$$(git status --porcelain)" || { echo "Commit first: what git holds is packaged." >&2; exit 1; }
	@command -v dpkg-deb >/dev/null || { echo "Build it on Debian: dpkg-deb is missing." >&2; exit 1; }
	@rm -rf build/deb && mkdir -p build/deb/source
	@git archive HEAD | tar -x -C build/deb/source
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		$(BIN)/python build/deb/source/deploy/debian/build.py build/deb/source dist

export BUILD_SDIST = import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])

clean:  ## Remove what was installed and built; the data in var/ stays
	rm -rf $(VENV) $(SYNAPSE) $(MUTANTS) $(SYDENT) $(MESSENGER) $(SCANNER) mutants build dist *.egg-info artefacts \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .grimp_cache .hypothesis .coverage htmlcov

# --- What the above stand on. Each leaves a file behind, so that it is done once.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Guichet needs Python 3.11 or newer as $(PYTHON): make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian DEBIAN=python3-venv
	@echo "Installing what Guichet needs into $(VENV), once: this takes a minute"
	@$(PYTHON) -m venv $(VENV)

FOUND_python3-venv = $(PYTHON) -c 'import ensurepip, venv'

$(VENV)/.service: requirements/service.txt setup.cfg pyproject.toml | $(BIN)/python
	@$(BIN)/python $(PIP) requirements/service.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.service
	$(BIN)/python $(PIP) requirements/test.txt
	@touch $@

# mutmut stands apart as well: requirements/mutants.in says why.
$(MUTANTS)/.ready: requirements/mutants.txt requirements/test.txt setup.cfg pyproject.toml | $(BIN)/python
	$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/python $(PIP) requirements/test.txt --requirement requirements/mutants.txt
	$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The peer of `make bench` stands apart, as a peer does.
$(SYDENT)/.ready: requirements/bench.txt | $(BIN)/python
	$(PYTHON) -m venv $(SYDENT)
	$(SYDENT)/bin/python $(PIP) requirements/bench.txt
	@touch $@

# The scanner of `make demo` takes olm from Debian, for Debian's Python.
$(SCANNER)/.ready: requirements/scanner.txt | $(BIN)/python
	rm -rf $(SCANNER)
	/usr/bin/python3 -m venv --system-site-packages --without-pip $(SCANNER)
	$(SCANNER)/bin/python -c 'import olm'
	PIP_PYTHON=$(SCANNER)/bin/python $(BIN)/python $(PIP) requirements/scanner.txt --no-deps
	@touch $@

# Synapse stands apart: it gets the base wheel alone, as on a homeserver.
$(SYNAPSE)/.synapse: requirements/synapse.txt | $(BIN)/python
	$(PYTHON) -m venv $(SYNAPSE)
	$(SYNAPSE)/bin/python $(PIP) requirements/synapse.txt
	@touch $@

$(SYNAPSE)/.ready: $(SYNAPSE)/.synapse $(WHEEL) | $(VENV)/.service
	rm -rf build $(SYNAPSE)/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir $(SYNAPSE)/wheel .
	$(SYNAPSE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
		--force-reinstall $(SYNAPSE)/wheel/*.whl
	@touch $@

# The messenger of the demo. Node and npm come as a wheel, in the version that is pinned; nothing of a package runs
# while it is installed. A test that builds the bundle again finds the same bytes.
HYDROGEN := examples/demo/messenger
SITE := $(MESSENGER)/app/site
NPM = cd $(MESSENGER)/app && PATH="$(CURDIR)/$(MESSENGER)/bin:$$PATH" npm

$(MESSENGER)/.packages: requirements/messenger.txt $(HYDROGEN)/package.json $(HYDROGEN)/package-lock.json | $(BIN)/python
	rm -rf $(MESSENGER)
	$(PYTHON) -m venv $(MESSENGER)
	$(MESSENGER)/bin/python $(PIP) requirements/messenger.txt
	mkdir $(MESSENGER)/app && cp $(filter %.json,$^) $(MESSENGER)/app
	$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(MESSENGER)/.ready: $(MESSENGER)/.packages $(HYDROGEN)/main.js $(HYDROGEN)/index.html
	rm -rf $(SITE) && mkdir $(SITE)
	cp $(HYDROGEN)/main.js $(MESSENGER)/app
	$(NPM) run --silent build
	cd $(MESSENGER)/app/node_modules && cp -R hydrogen-view-sdk/asset-build/assets hydrogen-view-sdk/lib-build/sw.js \
		@matrix-org/olm/olm.js @matrix-org/olm/olm.wasm @matrix-org/olm/olm_legacy.js ../site
	cp $(HYDROGEN)/index.html $(SITE)
	@touch $@

debian:
	@missing="$(strip $(foreach package,$(DEBIAN),$(shell { $(FOUND_$(package)); } >/dev/null 2>&1 || echo $(package))))"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "Missing Debian packages. Install them, then try again: sudo apt-get install $$missing" >&2; exit 1; \
	fi; \
	echo "Installing $$missing"; \
	apt-get update --quiet=2 && \
	echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections && \
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends $$missing
