# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Any Python from 3.9 on can start the tool chain, which then chooses the newest there is.
PYTHON ?= python3
export PYTHONDONTWRITEBYTECODE = 1

.DEFAULT_GOAL := help
.PHONY: help setup site check teardown bench test test-full lint unit integration quickstart-test molecule some-faults faults format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## install what is missing, make the virtual environments
	@$(PYTHON) -m tools.setup

site: setup ## the quick start: a network of every model, with guests, on a sandbox host
	@tools/virtnet quickstart site

check: setup ## what another `make site` would change
	@tools/virtnet quickstart check

teardown: setup ## remove all that `make site` made
	@tools/virtnet quickstart teardown

bench: setup ## what it costs beside raw tools, loops and others; BENCH="--rounds 1 --sizes 1 100" for less
	@tools/virtnet benchmark $(BENCH)

test: ## lint, unit and integration tests, the quick start, some faults, two of Molecule's scenarios, and a table at the end
	@$(PYTHON) -m tools.check lint unit integration some-faults quickstart-test some-molecule

test-full: ## all of that, what takes long, all of Molecule's scenarios on both distributions, all faults
	@$(PYTHON) -m tools.check lint unit integration integration-full quickstart-test molecule molecule-old faults

lint: ## ruff, yamllint, ansible-lint, antsibull, ansible-test sanity
	@$(PYTHON) -m tools.check lint

unit: ## unit tests on every Python of this machine
	@$(PYTHON) -m tools.check unit

integration: ## modules against the kernel in sandbox hosts, with the oldest and the newest libraries
	@$(PYTHON) -m tools.check integration

quickstart-test: setup ## the quick start, again, with and without check mode, and its teardown
	@tools/virtnet quickstart test

molecule: ## all of Molecule's scenarios, on VM hosts, with nested guests and reboots
	@$(PYTHON) -m tools.check molecule

some-faults: ## a run that bridges the uplink, interrupted at one step of twenty
	@$(PYTHON) -m tools.check some-faults

faults: ## a run that bridges the uplink, interrupted at every step; reboots with every host network manager
	@$(PYTHON) -m tools.check faults

format: setup ## put Python files into the form that lint asks for
	@$(PYTHON) -m tools.format

clean: ## remove what belongs to this checkout from the cache, and what tests leave here
	@$(PYTHON) -m tools.clean
