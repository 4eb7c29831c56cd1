# Doug's two commands: `make run` and `make test`. `make lint` is what CI checks first, then `make docs`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PORT ?=
HOST ?=
APP ?=
TESTS ?= test
# Those in real time wait for real peers, or for processes that they start. All others compute.
VIRTUAL = $(filter-out test.peers test.scripts,$(patsubst test/%/__init__.py,test.%,$(sort $(wildcard test/*/__init__.py))))

.PHONY: run test test-peers test-scripts test-virtual lint docs clean help

help:
	@echo "make run    install into $(VENV), serve the demo   (PORT=5070 HOST=127.0.0.1 APP=mymodule.MyApp)"
	@echo "make test   install what tests need, run the whole suite   (TESTS=test.sip for a part)"
	@echo "make lint   ruff, mypy, the import contract"
	@echo "make docs   the documentation's site and the reference into DOC/_build/html"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py doug/_version.py | $(BIN)/python
	@echo "Installing Doug into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[standard]'
	@touch $@

$(VENV)/.installed-dev: setup.py doug/_version.py | $(BIN)/python
	@echo "Installing Doug and what its tests need into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[standard,dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: setup.py doug/_version.py | $(BIN)/python
	@echo "Installing what the documentation is made with into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@ $(VENV)/.installed

run: $(VENV)/.installed
	@exec $(BIN)/python scripts/run_demo.py $(if $(PORT),--port=$(PORT)) $(if $(HOST),--host=$(HOST)) $(if $(APP),--app=$(APP))

ifeq ($(TESTS),test)
# Half of the suite waits and half computes: all at once, each part printed when it is over.
test: $(VENV)/.installed-dev
	@echo "Running the suite, some five minutes ..."
	@$(MAKE) --no-print-directory --keep-going --jobs=3 --output-sync=target \
		test-peers test-scripts test-virtual
else
test: $(VENV)/.installed-dev
	$(BIN)/python -m twisted.trial $(TESTS)
endif

test-peers test-scripts: test-%: $(VENV)/.installed-dev
	$(BIN)/python -m twisted.trial --temp-directory=_trial_temp_$* test.$*

test-virtual: $(VENV)/.installed-dev
	nice $(BIN)/python -m twisted.trial --temp-directory=_trial_temp_virtual $(VIRTUAL)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.installed-docs
	rm -rf DOC/_build
	$(BIN)/python -m sphinx -q -W --keep-going -d DOC/_build/doctrees DOC DOC/_build/html
	$(BIN)/python -m pydoctor --quiet --quiet
	@echo "DOC/_build/html/index.html"

clean:
	rm -rf build dist DOC/_build *.egg-info _trial_temp* .hypothesis .mypy_cache .ruff_cache
