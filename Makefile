# make demo | make test on a machine that has Python 3.11 and nothing else; every version comes from lock/.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CUDA := triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
	nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

TRAINERS := megatron mosaicml olmo

.PHONY: demo test test-trainers check lock clean

demo: .venv/demo
	$(BIN)/gemix demo --out demo

test: check
	$(BIN)/python -m pytest -n auto --dist loadfile

# What `make test` cannot install beside each other: every trainer reads token data and files of mixtures.
test-trainers: $(addprefix test-,$(TRAINERS))

test-%: .venv-%/done
	.venv-$*/bin/python -m pytest tests/trainers/test_readback.py tests/trainers/test_trainers.py -rs

.PRECIOUS: .venv-%/done
.venv-%/done: pyproject.toml lock/trainer-%.txt lock/torch.txt
	test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r lock/trainer-$*.txt
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -r lock/torch.txt
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

check: .venv/test
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# Hashes cover every wheel but torch: its build depends on the machine, so it stands in a file of its own.
.venv/test: .venv/demo lock/test.txt lock/torch.txt
	$(PIP) --require-hashes --no-deps -r lock/test.txt
	$(PIP) -r lock/torch.txt
	touch $@

.venv/demo: pyproject.toml lock/demo.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else f"gemix needs Python 3.11 to 3.13, not {sys.version.split()[0]}: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --require-hashes --no-deps -r lock/demo.txt
	$(PIP) --no-deps --editable .
	touch $@

# Needs uv; run it after changing a dependency.
lock:
	uv pip compile pyproject.toml --extra embed --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade \
		--constraint lock/constraints.txt --output-file lock/demo.txt
	uv pip compile pyproject.toml --all-extras --group test --group lint --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade \
		--constraint lock/constraints.txt --constraint lock/demo.txt --constraint lock/torch.txt --no-emit-package torch $(addprefix --no-emit-package ,$(CUDA)) --output-file lock/test.txt
	for name in $(TRAINERS); do uv pip compile pyproject.toml --group $$name --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade \
		--constraint lock/torch.txt --no-emit-package torch --no-emit-package torchvision $(addprefix --no-emit-package ,$(CUDA)) --output-file lock/trainer-$$name.txt || exit 1; done

clean:
	rm -rf .venv $(addprefix .venv-,$(TRAINERS)) demo build dist
