# make run | run-debian | test | test-full | lint | lock | streams | bench | firmware | guests | wheel | clean
#
# Everything the project needs from Python goes into .venv; guests go into .cache/guests.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
GUESTS := .cache/guests
PYTEST := $(BIN)/python -m pytest

# Programs that make guests and that tests compare with, and the Debian packages that hold them.
TOOLS    := gcc nasm qemu-system-x86_64 qemu-img grub-mkimage grub-mkrescue xorriso mformat mke2fs
PACKAGES := gcc libc6-dev make python3-dev python3-venv nasm qemu-system-x86 qemu-utils seabios ipxe-qemu \
            grub-common grub-pc-bin grub-rescue-pc xorriso mtools e2fsprogs

.PHONY: run run-debian test test-full lint lock streams bench firmware guests tools wheel clean

run: $(READY)
	$(BIN)/pyqemu

run-debian: $(READY) $(GUESTS)/versions.json
	$(BIN)/pyqemu -M pc-1.0 -m 256 -nographic -snapshot $(GUESTS)/disk64.img

test: $(READY) guests
	$(PYTEST) -m "not full"

test-full: $(READY) guests
	$(PYTEST)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Writes machines/abi again, from the machines as they are now: in the commit that changes what a guest sees, and
# after a merge conflict in those files.
lock: $(READY)
	$(BIN)/pyqemu-machine lock

# Writes the saved states of this version again (tests/compat): in the commit that changes an open layout.
streams: $(READY)
	PYTHONPATH=tests $(BIN)/python tests/compat/scenes.py

# SERIES="kernel64 micro" RUNS=3 choose what is measured and how often.
SERIES ?=
RUNS   ?= 5
bench: $(READY) guests
	$(BIN)/python tests/benchmarks/bench.py --runs $(RUNS) $(SERIES)

# Built images are committed; this makes them again where their sources are. Tests compare, and take what is committed.
firmware:
	@$(MAKE) --no-print-directory -C firmware

# What cannot be made is reported here; the tests that need it are then skipped with its name,
# or fail if PYQEMU_GUESTS_REQUIRED is set.
guests: tools
	@$(PYTHON) tests/guests/build.py || [ -z "$$PYQEMU_GUESTS_REQUIRED" ]

$(GUESTS)/versions.json:
	@$(MAKE) --no-print-directory guests

tools:
	@missing=; for tool in $(TOOLS); do \
	    PATH=$$PATH:/usr/sbin:/sbin command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
	    if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	        echo "installing what holds:$$missing"; \
	        apt-get -qq update; \
	        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(PACKAGES) >/dev/null; \
	    else \
	        echo "not found:$$missing; guests and tests that need them are left out."; \
	        echo "On Debian: sudo apt-get install $(PACKAGES)"; \
	    fi; \
	fi

# The C extension is built by the package's build, so its source counts too.
$(READY): pyproject.toml setup.py $(wildcard pyqemu/cpu/*.c)
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m compileall -q pyqemu
	touch $@

wheel: $(READY)
	$(BIN)/python -m build --wheel -o dist .

clean:
	rm -rf $(VENV) .cache build firmware/build firmware/*/build dist *.egg-info pyqemu/cpu/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
