# make demo      one real radiograph becomes a volume in demo/
# make test      style, types and all tests that a change needs: at most five minutes on two cores
# make test-all  the same and the slow tests too: whole trainings, long runs; CI calls this
# make bench     the measurements of the README, as tables
# make clean     remove what the others made
#
# The environment is made when missing and reused while pyproject.toml stays the same. Choose another place or Python
# with  make test VENV=/some/folder PYTHON=python3.12 ; further arguments for pip go into PIP_ARGS.

VENV ?= .venv
PIP_ARGS ?=
# processes that run tests side by side
JOBS ?= 2
DEMO_FILM ?= Resources/samples/knee_single.webp
BIN = $(VENV)/bin

ifndef PYTHON
PYTHON := $(shell for name in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$name; break; }; done)
endif

# the tests share one thread each and the processors with each other; the slowest are named at the end
PYTEST = PYTHONPATH="$(CURDIR)" OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n $(JOBS) --dist loadfile --durations 12

.PHONY: demo test test-all lint templates bench environment test-environment clean

demo: environment
	@mkdir -p demo
	@"$(BIN)/xray2mri" generate "$(DEMO_FILM)" -o demo/knee.nrrd --montage demo/knee.png

test: test-environment lint templates
	$(PYTEST) -m "not slow"

test-all: test-environment lint templates
	$(PYTEST)

templates: test-environment
	@OMP_NUM_THREADS=1 PYTHONPATH="$(CURDIR)" "$(BIN)/python" Testing/material/kept_templates.py

lint: test-environment
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

bench: environment
	PYTHONPATH="$(CURDIR)" "$(BIN)/python" Testing/benchmarks/run_all.py

environment:
	@$(call make-environment,.,runtime)

test-environment:
	@$(call make-environment,.[test],test)

clean:
	rm -rf .venv demo build dist .pytest_cache .ruff_cache .hypothesis

# $(1) what pip installs, $(2) name of the stamp. The stamp holds the hash of pyproject.toml and this checkout's path:
# with another hash everything is installed again, with another path only the link to the package is renewed.
define make-environment
set -e; \
python="$(PYTHON)"; \
if [ -z "$$python" ] || ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
	echo "Xray2MRI needs Python 3.10 or newer. Install it, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; \
fi; \
hash=`"$$python" -c 'import hashlib; print(hashlib.sha256(open("pyproject.toml", "rb").read()).hexdigest()[:16])'`; \
stamp="$(VENV)/xray2mri-$(2)"; \
if [ -x "$(BIN)/python" ] && [ "`cat "$$stamp" 2>/dev/null`" = "$$hash $(CURDIR)" ]; then exit 0; fi; \
if [ ! -x "$(BIN)/python" ]; then \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "This Python cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making the environment $(VENV) ..." >&2; \
	"$$python" -m venv "$(VENV)"; \
fi; \
case "`cat "$$stamp" 2>/dev/null`" in \
	"$$hash "*) "$(BIN)/python" -m pip install $(PIP_ARGS) --quiet --disable-pip-version-check --no-deps -e . ;; \
	*) echo "Installing Xray2MRI and what it needs (torch is large, this can take minutes) ..." >&2; \
		"$(BIN)/python" -m pip install $(PIP_ARGS) --disable-pip-version-check --progress-bar off -e '$(1)' ;; \
esac; \
echo "$$hash $(CURDIR)" > "$$stamp"
endef
