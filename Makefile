# Two commands do everything: `make book` and `make test`.  `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
RENDERER ?= auto
PORT ?= 8000
# Browsers, kernels and Pandoc are waited for: more workers than cores
JOBS ?= 3
PYODIDE ?= yes

bin = $(VENV)/bin
python = $(bin)/python
pip = $(python) -m pip install --quiet --disable-pip-version-check
lock = $(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
# The kernels of the notebooks run PyTorch's plain code paths, the same on every x86-64 machine
strict = ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=1
# Modules in the order of tests/conftest.py: the longest first, so that all workers end together
pytest = $(python) -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The pages' own Python is fetched with the book, unless PYODIDE=no
live = $(if $(filter no,$(PYODIDE)),,pyodide)
no-python = $(if $(live),,--no-python)
.PHONY: bench-live bench-pages pyodide lock quarto newest help book html serve check test test-gpu tolerant lint notebooks figures measure stamp matrix prove clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

# A Python that is asked for by name is the environment's, even if there is one of another version.
version = -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
ifneq ($(origin PYTHON),file)
ifneq ($(shell $(PYTHON) $(version)),$(shell $(python) $(version)))
$(VENV)/render.stamp: another-python
endif
endif
.PHONY: another-python

# Whole or not at all: an environment without pip is what Debian leaves where a package is missing.
$(VENV)/render.stamp: book/render.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This book needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@if [ -n "$(filter another-python,$^)" ] || ! $(python) -m pip --version >/dev/null 2>&1; then \
	  echo "Making the environment $(VENV) with $(PYTHON) ..."; \
	  if [ -e $(VENV) ] && [ ! -e $(VENV)/pyvenv.cfg ]; then echo "$(VENV) is there and is no environment of Python: move it, or make VENV=..." >&2; exit 1; fi; \
	  rm -rf $(VENV); \
	  $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "$(PYTHON) cannot make an environment. On Debian and Ubuntu: apt-get install python3-venv (for python3.12: python3.12-venv)" >&2; exit 1; }; \
	fi
	@echo "Installing what renders the book into $(VENV) ..."
	@$(pip) --require-hashes -r book/render.lock
	@touch $@

# PyTorch comes without a hash, as there are several builds of its version: with CUDA and without.
$(VENV)/all.stamp: book/all.lock $(VENV)/render.stamp
	@echo "Installing what runs the notebooks and tests (PyTorch is large; some minutes) ..."
	@$(pip) --require-hashes -r book/all.lock
	@$(pip) $$(grep '^torch==' requirements.txt)
	@touch $@

lock: $(VENV)/render.stamp ## lock all versions, with hashes, after a change of a requirements.txt
	@$(pip) uv==0.13.9
	$(lock) book/requirements.txt -o book/render.lock
	$(lock) requirements.txt | awk '/^[a-z0-9]/ { keep = !/^(torch|triton|nvidia-|cuda-)/ } keep' > book/all.lock

quarto: $(VENV)/render.stamp ## install Quarto into the environment; `make book` then uses it
	@$(pip) -r book/requirements-quarto.txt

pyodide: $(VENV)/render.stamp ## fetch the Python that runs the pages' cells in a browser (PYODIDE=no: do without)
	@$(python) -m book.live.files

book: $(VENV)/render.stamp $(live) ## render the book to _book/: HTML, PDF, EPUB (RENDERER=quarto|pandoc)
	@$(python) -m book.site.render --renderer $(RENDERER) $(no-python)

html: $(VENV)/render.stamp ## render the HTML pages only
	@$(python) -m book.site.render --renderer $(RENDERER) --html-only

serve: $(VENV)/render.stamp $(live) ## preview on http://127.0.0.1:8000 (PORT=...); what is saved is reloaded
	@$(python) -m book.site.serve --port $(PORT)

check: JOBS = 2 # nothing here waits
check: $(VENV)/all.stamp ## at every save: ruff, unit tests, the static checks of notebooks
	@$(bin)/ruff check -q . && $(bin)/ruff format -q --check .
	$(pytest) -q -m "not slow"

test: $(VENV)/all.stamp $(live) ## lint, re-execute every notebook (nbval, strict), run all tests
	@$(bin)/ruff check . && $(bin)/ruff format --check .
	$(strict) $(pytest) --nbval --nbval-current-env chapters tests

tolerant: $(VENV)/all.stamp ## re-execute every notebook and allow other last digits (ARM, AVX, GPU)
	$(pytest) --nbval --nbval-current-env --nbval-sanitize-with tests/proof/tolerant.cfg chapters

test-gpu: $(VENV)/all.stamp ## on a machine with CUDA: run the notebooks there, record distances and times
	$(python) -m book.proof.measure_gpu
	$(pytest) tests/book/test_export_runs.py

lint: $(VENV)/all.stamp ## ruff on the code and the notebooks
	$(bin)/ruff check . && $(bin)/ruff format --check .

notebooks: $(VENV)/all.stamp ## re-execute all notebooks in place; a second run changes nothing
	$(python) -m book.execute
	$(python) -m book.proof.ledger
	$(python) -m book.execute chapters/ledger.ipynb

figures: $(VENV)/all.stamp ## write figures/ again, as Section 5.1 stores them
	$(python) -m book.figures

stamp: $(VENV)/all.stamp ## record what the stored outputs hold and what they were made on, for the ledger
	$(python) -m book.proof.ledger

bench-pages: $(VENV)/all.stamp html ## cut code, shifts; beside a copy of the published site (PUBLISHED=folder) the times too
	$(python) -m book.proof.bench_pages $(if $(PUBLISHED),--published $(PUBLISHED))

bench-live: $(VENV)/all.stamp $(live) html ## Python in the pages: bytes and seconds, beside JupyterLite
	$(python) -m book.proof.bench_live

matrix: $(VENV)/all.stamp ## the distances under other Pythons, NumPys and PyTorch kernels (minutes)
	$(python) -m book.proof.matrix

newest: $(VENV)/all.stamp ## the distances under the newest NumPy and PyTorch, with nothing recorded
	$(python) -m book.proof.matrix --newest

measure: $(VENV)/all.stamp ## the ratios quoted beyond the chapter, side by side (minutes; then: make notebooks)
	$(python) -m book.proof.measure

prove: $(VENV)/all.stamp ## break the book on purpose; every fault must be caught (minutes)
	$(python) -m book.proof.prove

clean: ## remove what builds leave behind (the environment stays; rm -r .venv removes it)
	rm -rf _book _book.tmp* .quarto .pytest_cache .ruff_cache .hypothesis .cache
	find . -path './$(VENV)' -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -r {} +
