# simple-trt. `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PHOTO ?=
DEMO ?= demo
DATA ?= $(or $(SIMPLE_TRT_DATA),../shared/data)
JOBS ?= 2
MINUTES ?= 60

.DEFAULT_GOAL := help
RESULTS ?= benchmarks/results
BENCHMARKS := latency kernels people stages accuracy parts tracking
.PHONY: help demo test pytest lint build emulator gpu bench fuzz soak clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | awk -F: '{printf "  make %-9s %s\n", $$1, $$2}'

demo: $(VENV)/.demo  ## install, build an engine for this machine, run it on a photo (PHOTO=file or folder), leave pictures in demo/
	PATH="$(abspath $(BIN)):$$PATH" DEMO="$(DEMO)" PHOTO="$(PHOTO)" DATA="$(DATA)" sh export/demo.sh

test: lint pytest  ## all checks (lint, types, tests)

pytest: build emulator  ## the tests alone
	SIMPLE_TRT_DATA="$(abspath $(DATA))" $(BIN)/python -m pytest -n $(JOBS) -m "not gpu"

lint: $(VENV)/.dev  ## ruff, clang-format, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files '*.h' '*.cpp' '*.cu')
	$(BIN)/mypy

build: $(VENV)/.dev  ## compile the kernels, the NumPy core and the torch ops into simple_trt/
	$(BIN)/python setup.py -q build_ext --inplace

emulator: $(VENV)/.dev  ## compile the CUDA kernels for the CPU, plain and with sanitizers, as the tests run them
	$(BIN)/python -c "from tests.kernels.emulator import build; build('plain'); build('sanitized')"

bench: build  ## measure everything that needs no GPU, on a quiet machine; writes benchmarks/results
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name --out $(RESULTS)/$$name.json || exit 1; done
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.chart --results $(RESULTS)

fuzz: $(VENV)/.dev  ## 100,000 made-up inputs for every reader of files from anywhere, under limits; writes benchmarks/results
	$(BIN)/python -m tests.fuzz.run --out $(RESULTS)/fuzz.json
	$(BIN)/python -m benchmarks.report

soak: build  ## MINUTES=60 of frames, a camera that comes and goes: memory must stay flat; writes benchmarks/results
	$(BIN)/python -m tests.soak.run --minutes $(MINUTES) --out $(RESULTS)/soak.json
	$(BIN)/python -m benchmarks.report

# The machine with the GPU may have no network: this uses the Python that is there. The report builds what it needs.
gpu:  ## gpu tests, sanitizers, kernel and session benchmarks on an NVIDIA GPU, one JSON report (SIMPLE_TRT_WHEELS=folder)
	$(PYTHON) -m benchmarks.gpu --out $(RESULTS)/gpu.json

clean:  ## remove what was built; keep the environment
	rm -rf build simple_trt/*.so $(DEMO) *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The demo needs no torch: an engine is built from the exported graph of the bundled model.
$(VENV)/.demo: $(VENV)/bin/python pyproject.toml setup.py CMakeLists.txt $(wildcard csrc/*/* csrc/*.cmake plugins/*)
	$(BIN)/python -m pip install --quiet ".[demo]"
	touch $@

# The tests run on the source tree: the installed copy of the demo makes way for a link to it.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet "torch==2.13.0" "setuptools>=77" "pybind11>=3" "cmake>=3.24" ninja openvino
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[dev]"
	touch $@
