# make train: a model of drawn faces, from nothing.  make test: every test.  make lint: style and types.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
FIRST := outputs/first

.PHONY: train test lint
train: $(INSTALLED)
	@if [ -f $(FIRST)/config.yaml ]; then $(BIN)/python -m agegender.train resume=$(FIRST); \
	else $(BIN)/python -m agegender.train hydra.run.dir=$(FIRST); fi

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
