# Thin: each command is a script in scripts/, which opens with what it does.
.DEFAULT_GOAL := help
.PHONY: help demo test bench soak stop clean install

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: ## build, start a private server, run the README's quick start in it
	@scripts/demo

test: ## the whole suite on a private server, which is gone afterwards
	@scripts/test

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
