# make run    set up, then build and verify the first example on an emulated board
# make test   set up, then run all tests
# make quick  the tests that take seconds
# make lint   ruff, mypy, clang-format
# make boards run keyword spotting on every board that an installed emulator knows, write docs/BOARDS.md
# make bench  measure the MLPerf Tiny models, write docs/BENCHMARKS.md (TFLM=dir: TensorFlow Lite Micro, too)
# make compression  compress the MLPerf Tiny models by every recipe, write docs/COMPRESSION.md
# make sizes  measure the kernels' code, from which forms are chosen

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
C_FILES = $(shell git ls-files -co --exclude-standard 'firmware/*.c' 'firmware/*.h')

.PHONY: run test quick lint boards bench compression sizes format setup clean

run: setup
	$(BIN)/python examples/digits/train.py
	$(BIN)/tinygen build examples/digits/digits.keras --board stm32f4 --data examples/digits/digits.npz --out out/digits --vectors all

test: setup lint
	$(BIN)/pytest -n 2 --dist worksteal

quick: setup
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)

boards: setup
	$(BIN)/python scripts/boards_report.py

bench: setup
	$(BIN)/python scripts/bench.py $(if $(TFLM),--tflm $(TFLM))

compression: setup
	$(BIN)/python scripts/compression_report.py

sizes: setup
	$(BIN)/python scripts/measure_kernels.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

# Installs what is missing and is quick when nothing is: apt packages, then the virtual environment.
setup: $(VENV)/.ready
	@scripts/apt-packages.sh

$(VENV)/.ready: pyproject.toml scripts/apt-packages.sh apt-packages.txt
	scripts/apt-packages.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf out build dist examples/digits/digits.keras examples/digits/digits.npz
