# `make demo` shows it, `make test` proves it. PYTHON=... names a Python 3.12, CARGO_TARGET_DIR=... a directory to build in.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
BUILT := $(CARGO_TARGET_DIR)/debug
VENV := .venv
WHEEL_VENV := .venv-wheel
CLEAN_VENV := .venv-clean
REQUIREMENTS := tests/requirements.txt tests/requirements-tools.txt
JARS := jvm/dist
# Directories too: they tell of files that are gone.
JAR_SOURCES := jvm/pom.xml $(shell find jvm/src/main)
MVN := mvn -q -B -f jvm/pom.xml -Dmlflight.native.dir=$(BUILT)
# A wheel made here is new every time: a cache would keep every one of them.
INSTALL := build/tools/bin/uv pip install -q --no-cache
TESTED := MLFLIGHT_TEST_PYTHON=$(CURDIR)/$(VENV)/bin/python MLFLIGHT_TEST_MODELS=$(CURDIR)/build/test-models MLFLIGHT_TEST_NATIVE=$(BUILT)

.PHONY: help demo test test-rust test-jvm test-python test-lines test-spark35 test-spark42 test-wheel fast lint wheel fuzz bench tools venv build jars jars-all dev-wheel lines-wheel installed models azurite mlflows clean

help: ## Lists the targets.
	@sed -n 's/^\([a-z0-9 -]*\):.*## /\1\t/p' Makefile | expand -t 28

demo: installed ## Trains a scikit-learn model, scores a million rows with Spark and with batch-score, compares.
	$(WHEEL_VENV)/bin/python examples/demo.py

test: test-rust test-jvm test-python test-lines ## Runs every suite: Rust, JVM, Python.

# Twice as many tests at a time as cores: many wait for a process to start.
test-rust: venv models ## The Rust suite.
	$(TESTED) cargo test --workspace -- --test-threads $$((2 * $$(nproc)))

test-jvm: jars build models ## The JVM suite, on the Spark 4 line.
	$(TESTED) $(MVN) -Dmlflight.models=$(CURDIR)/build/test-models verify -P spark4_2.13

# Two files at a time: most tests wait for a process to start.
test-python: installed models azurite mlflows ## The Python suites, from the installed wheel.
	$(TESTED) $(WHEEL_VENV)/bin/python -m pytest -q -p no:cacheprovider -n 2 --dist loadfile --ignore tests/python/spark_lines --ignore tests/python/clean tests/python

# MLflow's servers of two lines: an environment for the older one, and what differs for the newer one.
mlflows: venv .venv-mlflow222/.requirements build/mlflow-3.18/.made

.venv-mlflow222/.requirements: tests/requirements-mlflow222.txt | tools
	@.ci/venv .venv-mlflow222 tests/requirements-mlflow222.txt

build/mlflow-3.18/.made: tests/requirements-mlflow318.txt | venv
	rm -rf build/mlflow-3.18
	build/tools/bin/uv pip install -q --no-deps --python $(VENV)/bin/python --target build/mlflow-3.18 -r tests/requirements-mlflow318.txt
	@touch $@

test-lines: ## The smoke tests on every other line of Spark, side by side.
	$(MAKE) -j 2 --output-sync test-spark35 test-spark42

test-spark35: LINE := 3.5
test-spark42: LINE := 4.2
# An environment of each line's own, with one wheel that has the jars of all lines.
test-spark35 test-spark42: test-spark%: lines-wheel models ## A smoke test on one of them.
	.ci/venv .venv-spark$* tests/requirements-spark$*.txt tests/requirements-tools.txt
	$(INSTALL) --python .venv-spark$*/bin/python --reinstall --no-deps build/wheel-lines/mlflight-*.whl
	$(TESTED) MLFLIGHT_TEST_SPARK=$(LINE) .venv-spark$*/bin/python -m pytest -q -p no:cacheprovider tests/python/spark_lines

lines-wheel: build jars-all venv
	$(VENV)/bin/python python/build_wheel.py dev --out build/wheel-lines

test-wheel: wheel models ## The published wheel in a clean environment with PySpark.
	@.ci/venv $(CLEAN_VENV) tests/requirements-clean.txt tests/requirements-tools.txt
	$(INSTALL) --python $(CLEAN_VENV)/bin/python --reinstall-package mlflight dist/mlflight-*.whl
	$(TESTED) $(CLEAN_VENV)/bin/python -m pytest -q -p no:cacheprovider tests/python/clean

fast: ## The core alone: no DataFusion, no servers.
	@.ci/need cargo cc
	cargo test --no-default-features --lib

lint: $(VENV)/.tools ## Formatting, clippy, licenses, spelling, ruff, the table of settings, layering.
	cargo fmt --all -- --check
	cargo clippy -q --workspace --all-targets -- -D warnings
	cargo clippy -q --no-default-features -- -D warnings
	cargo clippy -q -p mlflight-service -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc -q -p mlflight --lib --no-deps
	if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else $(VENV)/bin/python .ci/licenses.py; fi
	$(VENV)/bin/typos
	$(VENV)/bin/ruff check -q
	$(VENV)/bin/ruff format -q --check
	.ci/settings --check
	cargo test -q --workspace --test integration layers

wheel: tools jars-all ## The wheel that is published: optimised, for any Linux with glibc 2.28.
	.ci/venv $(VENV) $(REQUIREMENTS) tests/requirements-wheel.txt
	$(VENV)/bin/python python/build_wheel.py dist --out dist

fuzz: tools ## Feeds every parser with mutated files; FUZZ_SECONDS=... each (600).
	fuzz/run $(or $(FUZZ_SECONDS),600)

bench: tools ## Measurements against MLflow and others; see benches/README.md.
	$(MAKE) -C benches

tools:
	@.ci/need cargo cc java mvn

venv: $(VENV)/.tools
	@.ci/venv $(VENV) $(REQUIREMENTS)

$(VENV)/.tools: tests/requirements-tools.txt | tools
	@[ -x $(VENV)/bin/ruff ] || .ci/venv $(VENV) tests/requirements-tools.txt
	@touch $@

build: tools
	cargo build --workspace

jars: $(JARS)/mlflight-spark4_2.13.jar

jars-all: jars $(JARS)/mlflight-spark3_2.12.jar $(JARS)/mlflight-spark3_2.13.jar

# Files, for Maven takes ten seconds to find out that nothing is to do; one after the other, for they share its repository.
$(JARS)/mlflight-spark3_2.12.jar: | $(JARS)/mlflight-spark4_2.13.jar
$(JARS)/mlflight-spark3_2.13.jar: | $(JARS)/mlflight-spark3_2.12.jar
$(JARS)/mlflight-%.jar: $(JAR_SOURCES) | tools
	$(MVN) package -P $* -DskipTests
	@touch $@

dev-wheel: build jars venv
	$(VENV)/bin/python python/build_wheel.py dev --out build/wheel

installed: dev-wheel
	@.ci/venv $(WHEEL_VENV) $(REQUIREMENTS)
	$(INSTALL) --python $(WHEEL_VENV)/bin/python --reinstall --no-deps build/wheel/mlflight-*.whl

models: build/test-models/.made

build/test-models/.made: tests/make_models.py | venv
	$(VENV)/bin/python tests/make_models.py build/test-models
	@touch $@

azurite: build/azurite/.3.35.0

# The Azure server of the suites. The versions after this one need Node 22.
build/azurite/.3.35.0:
	@.ci/need npm
	npm install --prefix build/azurite --no-audit --no-fund --silent azurite@3.35.0
	@touch $@

clean: ## Removes what was built, except Cargo's directory.
	rm -rf build dist $(VENV) $(WHEEL_VENV) .venv-spark* $(CLEAN_VENV) .venv-bench jvm/dist jvm/target-*
