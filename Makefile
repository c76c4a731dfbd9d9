# Every target makes .venv when it has to; `make clean` removes it.
.DEFAULT_GOAL := help
.PHONY: help venv demo test check torture bench format clean
bin := .venv/bin
unit := tests/schedule tests/manifest tests/store tests/test_settings.py
# Tests start hundreds of servers and commands: none of them shall compile all of it again.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

venv:  ## make .venv with all that the targets below need
	@.ci/venv dev,bench

demo:  ## start a server that does something, and say what it does; Ctrl-C ends it
	@.ci/venv
	@exec $(bin)/python demo/demo.py

test:  ## run every test this machine can run
	@.ci/venv dev,bench
	$(bin)/pytest

check:  ## format, types, imports and the unit tests, within a minute
	@.ci/venv dev,bench
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(bin)/mypy
	$(bin)/lint-imports --no-logo
	$(bin)/pytest -q -m "not slow" $(unit)

torture:  ## kill a server, and replicas, 200 times under load and check what is left
	@.ci/venv dev,bench
	$(bin)/python -m tests.torture
	$(bin)/python -m tests.replicas

bench:  ## measure, and print a table
	@.ci/venv dev,bench
	$(bin)/python -m benchmarks

format:  ## put the code into its usual form
	@.ci/venv dev,bench
	$(bin)/ruff format .
	$(bin)/ruff check --fix .

clean:  ## remove .venv and the caches of the tools
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
