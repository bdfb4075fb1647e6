# Everything runs in .venv; each target sets it up first if it must.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all test-cpus test-latest test-wheel lint coverage api docs test-docs results bench bench-peers notebooks clean

demo: $(STAMP)
	$(BIN)/torch-afm demo

# Two processes of one thread each: torch's threads would fight over the cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile
	$(MAKE) notebooks test-docs

test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
	$(MAKE) notebooks test-docs

# Tests that train, or compare what networks give, with each set of vector instructions that torch may pick here.
test-cpus: $(STAMP)
	more=; case $$($(BIN)/python -c "import torch; print(torch.backends.cpu.get_cpu_capability())") in \
	    AVX512) more="ATEN_CPU_CAPABILITY=avx2 ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX2" ;; \
	    AVX2) more="ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2" ;; \
	esac; \
	for setting in ATEN_CPU_CAPABILITY=default $$more; do \
	    echo "$$setting"; \
	    env $$setting OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "learnt and not slow" -n 2 --dist loadfile || exit 1; \
	done

# The tests with the newest versions of everything, whatever constraints.txt says, in an environment of their own.
test-latest:
	rm -rf .venv-latest
	$(PYTHON) -m venv .venv-latest
	.venv-latest/bin/python -m pip install --quiet torch
	.venv-latest/bin/python -m pip install --quiet --editable ".[train,dev]"
	.venv-latest/bin/python -m pip freeze --exclude-editable
	OMP_NUM_THREADS=1 .venv-latest/bin/python -m pytest -m "not slow" -n 2 --dist loadfile

# What is released: sdist and wheel, the wheel installed in a clean environment and used there. Minutes.
test-wheel: $(STAMP)
	$(BIN)/python tests/release/wheel.py

# A package at a time, by its own tests: what they do not run is listed.
coverage: $(STAMP)
	for package in data ppm nn metrics; do \
	    OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" tests/$$package --cov=torch_afm.$$package \
	        --cov-report=term-missing:skip-covered --cov-fail-under=90 || exit 1; \
	done

# The snapshot of public names and signatures that tests/test_api_surface.py compares with.
api: $(STAMP)
	$(BIN)/python tests/test_api_surface.py

# Pages in docs/_build/html, every warning an error.
docs: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

# The same without the pages of source code: what `make test` asks. tests/examples runs the code in the pages.
test-docs: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -t quick -b html -d docs/_build/quick docs docs/_build/test

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg

# Which files of benchmarks/results were not made by the code that they measure as it is now, and who refers to them.
results: $(STAMP)
	$(BIN)/python -m benchmarks.stale $(STRICT)

bench: $(STAMP)
	$(BIN)/python -m benchmarks.rendering.run
	$(BIN)/python -m benchmarks.thesis.run
	$(BIN)/python -m benchmarks.prediction.run

# The peers live in an environment of their own, which the package never sees.
bench-peers: $(STAMP)
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement benchmarks/peers/requirements.txt
	$(BIN)/python -m benchmarks.rendering.against_ppafm

notebooks: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbmake --nbmake-timeout=300 examples

# torch first: its own wheel is the CPU build where one is offered, and everything else builds on it.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,dev]"
	touch $@

clean:
	rm -rf $(VENV) .venv-latest build dist *.egg-info demo runs docs/_build docs/api
