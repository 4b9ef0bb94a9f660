# lab · test · notebooks · outputs · bench · site · slides: the README's commands. Windows without make: the same steps in README.md.
.PHONY: lab test notebooks outputs bench site slides clean
.DEFAULT_GOAL := lab

BASE_PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(shell $(p) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo $(p))))
VENV ?= .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip install -q --disable-pip-version-check
# A machine without a screen gets the URL printed; Jupyter asks for a word before it runs as root.
LAB_FLAGS := $(if $(shell test "$$(uname)" = Linux -a -z "$$DISPLAY$$WAYLAND_DISPLAY" && echo yes),--no-browser) \
             $(if $(filter 0,$(shell id -u)),--allow-root)
TORCH_INDEX ?=# the small CPU-only torch: TORCH_INDEX=https://download.pytorch.org/whl/cpu
READY := $(VENV)/.ready
# Other kernels that the tests run on, each a thin folder over .venv that goes first on PYTHONPATH.
STACKS := $(patsubst tests/stacks/%.txt,$(VENV)/stacks/%/.ready,$(wildcard tests/stacks/*.txt))

lab: $(READY)
	@$(VENV)/bin/jupyter trust notebooks/*.ipynb notebooks/solutions/*.ipynb >/dev/null # stored pictures follow the theme
	@$(VENV)/bin/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/start.ipynb $(LAB_FLAGS)

test: $(READY) $(STACKS)
	@$(PYTHON) -m pytest -q -n 2 --dist loadgroup

notebooks: $(READY)
	@$(PYTHON) lessons/build.py

outputs: $(READY)
	@$(PYTHON) lessons/build.py --execute

bench: $(READY)
	@$(PYTHON) -m gan_course bench

site: $(READY)
	@$(PYTHON) site/build.py

slides: $(READY)
	@$(PYTHON) site/slides.py

clean:
	rm -rf $(VENV)

$(READY): requirements.txt pyproject.toml
	$(if $(BASE_PYTHON),,$(error Python 3.11 or newer is missing: install it, or name it with `make $(MAKECMDGOALS) BASE_PYTHON=/path/to/python3`))
	$(if $(shell $(BASE_PYTHON) -c "import venv, ensurepip" 2>/dev/null && echo yes),,$(error Python's venv module is missing: install it (Debian, Ubuntu: apt-get install python3-venv)))
	@echo "Setting up $(VENV): some minutes the first time (torch is large)"
	@test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	@$(if $(TORCH_INDEX),$(PIP) --no-compile --index-url $(TORCH_INDEX) $$(grep -E '^torch(vision)?==' requirements.txt))
	@$(PIP) --no-compile -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@$(PYTHON) -m compileall -qq -j 0 $(VENV) || true # on every core, pip takes one; files for other Pythons fail
	@touch $@

$(VENV)/stacks/%/.ready: tests/stacks/%.txt | $(READY)
	@rm -rf $(@D)
	@$(PIP) --no-deps --target $(@D) -r $<
	@touch $@
