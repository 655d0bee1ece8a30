# Thin: each command is a script in scripts/, which opens with what it does.
.DEFAULT_GOAL := help
.PHONY: help all demo test test-all installcheck judge bench soak stop clean install

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

all: ## build a release
	@scripts/build

demo: ## build, start a private server, run the README's quick start in it
	@scripts/demo

test: ## the whole suite on private servers, which are gone afterwards: 15 and 18, or INGEST_PG
	@scripts/test $(or $(INGEST_PG),15 18)

test-all: ## the same on every PostgreSQL: 15, 16, 17, 18
	@scripts/test 15 16 17 18

judge: ## the validator of FHIR against HL7's verdicts, mutants, and other validators
	@scripts/judge

bench: ## what the guarded table costs, against an unguarded twin
	@scripts/bench

soak: ## mixed writers for SOAK_MINUTES (10), then every invariant checked
	@scripts/soak

stop: ## stop the private servers
	@scripts/cluster stop

clean: ## stop them, remove them and the build output
	@scripts/clean

install: ## install into the machine's own PostgreSQL (PG_CONFIG)
	@scripts/install

installcheck: ## the quick start, in the server that PGHOST, PGPORT and PGUSER name
	@scripts/installcheck
