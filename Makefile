# Everything a person does here, by one word each. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
DEV := .venv-dev/bin/python

.PHONY: help run test test-quick check format screens guide-pictures translations lock licences probe sbom clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## set up and run everything here (PORT=8000, VAR_DIR=var, DEMO_PASSWORD)
	@scripts/venv.sh .venv requirements/base.txt
	@exec .venv/bin/python scripts/run.py

test: ## everything: units, API, browser, real servers, on SQLite and MariaDB
	@scripts/test-environment.sh
	@scripts/test.sh

test-quick: ## units and API on SQLite alone
	@scripts/test-environment.sh
	@$(DEV) -m pytest -q -n 2 -m "not services and not e2e and not training"

check: ## style, imports, templates, migrations, deployment, locks, licences, secrets, known holes
	@scripts/test-environment.sh
	@scripts/check.sh

format: ## put the code into shape
	@$(DEV) -m ruff check --fix . ; $(DEV) -m ruff format .

screens: ## every page as a picture, with made-up radiographs, in screens/ (ONLY=worklist)
	@scripts/test-environment.sh
	@$(DEV) scripts/screens.py $(if $(ONLY),--only $(ONLY))

guide-pictures: ## the pictures of the guide for doctors, in docs/images/
	@scripts/test-environment.sh
	@$(DEV) scripts/screens.py --guide

translations: ## collect the strings into locale/ and compile them
	@$(DEV) scripts/translations.py

lock: ## resolve requirements/*.in into the lock files again
	@scripts/lock.sh

licences: ## docs/licences.md: what each pinned package is licensed under
	@scripts/test-environment.sh
	@$(DEV) scripts/licences.py

probe: ## attack the API and the pages of a throw-away installation (minutes)
	@scripts/test-environment.sh
	@$(DEV) scripts/probe.py

sbom: ## the software bill of materials of production: sbom.json (CycloneDX)
	@scripts/test-environment.sh
	@$(DEV) scripts/sbom.py

clean: ## remove the environments and every cache; the data in var/ stays
	rm -rf .venv .venv-dev .pytest_cache .ruff_cache .import_linter_cache .hypothesis test-results screens
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
