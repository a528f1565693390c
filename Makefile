# `make demo` makes the demo dataset; `make demo-train` makes one of drawn shapes, trains a small editor on it for some
# minutes, and judges its edits. Three commands run the checks, each more than the one before:
#   make check     lint, types, import contracts, and the tests without Ray, torch, S3, a browser or another process
#   make test      what CI runs: nearly every test, with a quarter of the examples
#   make test-all  every test with all of its examples, and branch coverage
# All make a virtual environment on first use, and print the plain commands that they run. Types and import contracts are
# checked while the tests run, and what they found is printed after them; `make lint` checks them alone.

PYTHON ?= python3
WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
# What one process compiles the next ones read: pytest's workers, Ray's and the commands.
unexport PYTHONDONTWRITEBYTECODE

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Tests and types at once: mypy takes a minute or two of one core. Each goes on though the other fails; then both fail.
BESIDE = @$(MAKE) --no-print-directory -j2 $(1) types-beside; status=$$?; cat $(VENV)/types.txt; exit $$status

.PHONY: demo demo-train check test test-all ring-check ring-test ring-all lint style types types-beside clean

demo: $(VENV)/base
	$(BIN)/python -m datagen run configs/subject_add.yaml

demo-train: $(VENV)/train
	$(BIN)/python -m datagen run configs/world_small.yaml
	$(BIN)/python -m datagen train configs/train/small.yaml
	$(BIN)/python -m datagen evaluate out/train/small out/world_small --limit 100 --to out/train/small/judged

check: style
	$(call BESIDE,ring-check)

test: style
	$(call BESIDE,ring-test)

test-all: style
	$(call BESIDE,ring-all)

ring-check ring-test:
	$(PYTEST) --ring $(@:ring-%=%)

ring-all:
	$(PYTEST) --ring all --cov --cov-report=term:skip-covered

lint: style types

style: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy
	$(BIN)/lint-imports

types-beside:
	@$(MAKE) --no-print-directory types > $(VENV)/types.txt 2>&1

$(VENV)/base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip  # an old pip takes minutes to choose the versions of `dev`
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/train: pyproject.toml $(VENV)/base
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	touch $@

$(VENV)/dev: pyproject.toml $(VENV)/base
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps groundingdino-py  # its opencv-python would take the place of ours
	touch $@

clean:
	rm -rf $(VENV) out
