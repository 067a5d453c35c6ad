# The project's verbs. `make test` and `make demo` do all the set-up on a machine with Python 3.11 and the package
# registries; everything they install goes into .venv and .tools, but for what only the system's packages have.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
WORKERS ?= 2
BENCHMARKS ?= known_user new_profile crowded_device growth hot_users decision events profile_read import_file backfill accuracy fold erasure audiences_events audiences_backfill audiences_dead_output

.PHONY: help demo test lint types unit soak bench docs screenshots wheel clean

help:  ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

$(VENV)/measuring: $(VENV)/ready
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,bench]'
	touch $@

demo: $(VENV)/ready  ## Serve with an hour of generated traffic, and three commands to try
	$(RUN)/knownas demo

test: lint types unit  ## Everything a change must pass

lint: $(VENV)/ready  ## Style and layering
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/lint-imports

types: $(VENV)/ready  ## Types, strictly
	$(RUN)/pyright --pythonpath $(RUN)/python

unit: $(VENV)/ready  ## The tests, with a real browser, real servers and real kills
	$(RUN)/python tools/provision.py
	$(RUN)/python -m pytest -n $(WORKERS) --dist loadgroup -m 'not soak'

soak: $(VENV)/ready  ## The long runs, for a release
	$(RUN)/python tools/provision.py
	KNOWNAS_TEST_HISTORIES=build/histories $(RUN)/python -m pytest -m soak --timeout 0

bench: $(VENV)/measuring  ## The benchmarks, one after the other (an hour; a quiet machine)
	for name in $(BENCHMARKS); do $(RUN)/python -m bench $$name; done

docs: $(VENV)/ready  ## Write the generated reference pages anew
	$(RUN)/python -m tools.reference

screenshots: $(VENV)/ready  ## Take the pictures of the console in the documentation anew
	$(RUN)/python tools/provision.py
	KNOWNAS_SCREENSHOTS=docs/images/console $(RUN)/python -m pytest tests/browser -k console

wheel: $(VENV)/ready  ## Build the wheel
	$(RUN)/python -m build --outdir dist

clean:  ## Remove what the other verbs made
	rm -rf $(VENV) .tools dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
