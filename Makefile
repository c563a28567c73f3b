# Set-up, demo and checks; each target does all the set-up it needs. PYTHON names the interpreter for the environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CHECKED := hf_supernet examples tests setup.py

.PHONY: help install demo test quality style clean

help:
	@echo "make demo     train, search, export and fine-tune on an embedded corpus (about five minutes)"
	@echo "make test     run the tests"
	@echo "make quality  check style and the model files"
	@echo "make style    fix style"

# The stamp is newer than what it was made from, or the environment is brought up to date. One that was left half made has
# no pip that runs: it is made anew. (Only an environment is cleared, not a folder that was named by mistake.)
$(VENV)/.installed: setup.py constraints.txt
	$(BIN)/python -m pip --version >/dev/null 2>&1 || \
		$(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/python examples/demo.py --output_dir demo_output

test: install
	$(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

# TRF057 asks for transformers' own documentation decorator, which looks its texts up in transformers' tree.
quality: install
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/python -m tests.lint_models

style: install
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

clean:
	rm -rf $(VENV) build dist *.egg-info demo_output
