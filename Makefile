# The two commands of the README are `make demo` and `make test`.
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo-bundle
LABELS ?= $(DEMO)-labels

# Of the environment that is there, else the newest that every pinned package has wheels for;
# PYTHON=… names another. A name on the PATH need not run, and Debian parts venv from Python.
PYTHONS := $(BIN)/python python3.13 python3.12 python3.11 python3
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for each in $(PYTHONS); do \
	"$$each" -c '$(FITS)' 2> /dev/null && echo "$$each" && break; done)
MISSING := no Python 3.11, 3.12 or 3.13 with venv is on the PATH: install one (Debian, Ubuntu: \
	apt install python3-venv; macOS: brew install python@3.13), or name it by PYTHON=…

.PHONY: demo test check lint format soak clean python

demo: $(VENV)/.installed
	$(BIN)/pocketbert build -o $(DEMO)
	$(BIN)/pocketbert ask $(DEMO) --context-file examples/lighthouse.txt -q "Who designed the lighthouse?"
	$(BIN)/pocketbert ask $(DEMO) --context-file examples/lighthouse.txt -q "When was the lamp first lit?"
	$(BIN)/pocketbert ask $(DEMO) --context-file examples/lighthouse.txt -q "How many steps lead to the lantern room?"
	$(BIN)/pocketbert build --task text-classification -o $(LABELS)
	$(BIN)/pocketbert classify $(LABELS) < examples/reviews.txt

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder \
		--durations=50

# What a change is tried with first: all but the tests that convert, train or install.
check: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not soak and not conversion" -n 2

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

soak: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m soak -n 2

clean:
	rm -rf $(VENV) $(DEMO) $(LABELS) build

# Prints which Python an environment is made with.
python:
	@test -n "$(PYTHON)" || { echo "$(MISSING)" >&2; exit 1; }
	@echo "$(PYTHON)"

# The pins decide what is installed: the environment is made again when they change.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "$(MISSING)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	touch $@
