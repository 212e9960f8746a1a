# make train: a model of drawn faces, from nothing.  make test: every test.  make lint: style and types.
# make model FAIRFACE=PATH: the recipe of the released model, from a folder with FairFace (see docs/predict.md); WEIGHTS=FILE starts
# from a local file instead of a download, DETECTOR=FILE is YuNet's model file.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
FIRST := outputs/first
MODEL := outputs/model

.PHONY: train model test lint
train: $(INSTALLED)
	@if [ -f $(FIRST)/config.yaml ]; then $(BIN)/python -m agegender.train resume=$(FIRST); \
	else $(BIN)/python -m agegender.train hydra.run.dir=$(FIRST); fi

model: $(INSTALLED)
	@test -n "$(FAIRFACE)" || { echo "error: FAIRFACE=PATH is needed, the folder with train/, val/ and the label files of FairFace"; exit 2; }
	@if [ -f $(MODEL)/config.yaml ]; then $(BIN)/python -m agegender.train resume=$(MODEL); \
	else $(BIN)/python -m agegender.train experiment=fairface_lite0 data.root=$(FAIRFACE) data.missing=skip hydra.run.dir=$(MODEL) \
		$(if $(WEIGHTS),backbone.weights=$(WEIGHTS)); fi
	$(BIN)/python -m agegender.export $(MODEL) $(MODEL)-bundle --precision fp16 --license scripts/released_license.md \
		$(if $(DETECTOR),--detector-weights $(DETECTOR))

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
