# Everything a person does here, by one word each. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
DEV := .venv-dev/bin/python

.PHONY: help run test test-quick check format lock translations model-facts clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## set up and run everything here (PORT=8000, VAR_DIR=var, DEMO_PASSWORD)
	@scripts/venv.sh .venv requirements/base.txt
	@exec .venv/bin/python scripts/run.py

clean: ## remove the environments and every cache; the data in var/ stays
	rm -rf .venv .venv-dev .pytest_cache .ruff_cache .import_linter_cache .hypothesis test-results
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
