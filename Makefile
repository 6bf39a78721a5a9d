# Rounds, in two commands:  make run  and  make test.  `make` alone lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup run test dev lint format clean
SHELL := /bin/bash

# make run MODEL=owner/name-or-folder PORT=7861
ifdef MODEL
export ROUNDS_MODEL := $(MODEL)
endif
ifdef PORT
export ROUNDS_PORT := $(PORT)
endif

BIN := .venv/bin

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: ## Make the environment in .venv (nothing is done where nothing changed)
	@scripts/setup.sh

run: setup ## Start the engine and the app, and print a sign-in link (MODEL=..., PORT=...)
	@$(BIN)/rounds run || [ $$? -eq 130 ] # 130: stopped by Ctrl-C

dev: ## Make the environment with the tools for development and tests
	@scripts/setup.sh --dev

test: dev ## Run everything: lint, unit tests, a real engine, a real browser (ARGS="-k store")
	@scripts/lint.sh
	@$(BIN)/rounds fetch # before the tests, in which nothing may reach beyond this machine
	@chromium=$$(scripts/test-deps.sh) && ROUNDS_CHROMIUM=$$chromium $(BIN)/python -m pytest $(ARGS)

lint: ## Check style, types, layers, Dockerfile and compose file
	@scripts/lint.sh

format: ## Put the code into shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

clean: ## Remove the environment and everything built (models and data in ROUNDS_HOME stay)
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
