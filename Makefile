# The two commands of the README are `make demo` and `make test`.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo-bundle

.PHONY: demo test check lint format soak clean

demo: $(VENV)/.installed
	$(BIN)/pocketbert build -o $(DEMO)
	$(BIN)/pocketbert ask $(DEMO) --context-file examples/lighthouse.txt -q "Who designed the lighthouse?"
	$(BIN)/pocketbert ask $(DEMO) --context-file examples/lighthouse.txt -q "When was the lamp first lit?"
	$(BIN)/pocketbert ask $(DEMO) --context-file examples/lighthouse.txt -q "How many steps lead to the lantern room?"

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not soak" -n 2 --dist loadfile --durations=50

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
	rm -rf $(VENV) $(DEMO) build

# The pins decide what is installed: the environment is made again when they change.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
	touch $@
