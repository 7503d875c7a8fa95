# make demo   set up, annotate the sample drive, say where to look
# make test   everything that has to hold before a change lands
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := mmras_stream cli plugins samples tests
TORCH_THREADS := OMP_NUM_THREADS=1 GOMP_SPINCOUNT=3000

.PHONY: demo test check bench clean

demo: $(VENV)/.installed
	$(BIN)/mmras-stream annotate samples/drive.mp4 --out out --overwrite
	@echo "Open out/drive/overlay.mp4 to watch, out/drive/frames/ and out/drive/keyframes.coco.json to label."

test: check
	$(TORCH_THREADS) $(BIN)/python -m pytest -m "not benchmark and not slow"

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d; make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
