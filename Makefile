# make setup   prepare .venv (Debian packages first, where something is missing and apt may be used)
# make demo    the closed loop over ROS 2 with the shipped checkpoint: videos and a table in outputs/demo
# make lint    style and types
# make test    lint and tests
# make test-jazzy       the tests over ROS with Jazzy's wheels in place of Kilted's
# make test-interfaces  build the optional package zipmo_interfaces from wheels, and test the action
# make clean   remove .venv and build products (not data, runs or outputs)

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.ready
JAZZY := .venv-jazzy
SITE := import os, sysconfig; print(os.path.abspath(sysconfig.get_path('purelib')))
INTERFACES := $(CURDIR)/build/zipmo_interfaces
# libOSMesa renders without a display or a GPU; the venv module is a package of its own on Debian.
DEBIAN_PACKAGES := python3-venv libosmesa6 libgl1
EXTRAS := encoders,apps,sim,arms,bags,terminal,cluster,engines,ros,test

export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-jazzy test-interfaces lint clean system-packages

setup: $(STAMP)

system-packages:
	@missing=""; PATH="$$PATH:/usr/sbin:/sbin"; \
	ldconfig -p | grep -q libOSMesa.so || missing="$$missing libosmesa6"; \
	ldconfig -p | grep -q libGL.so.1 || missing="$$missing libgl1"; \
	$(PYTHON) -c "import ensurepip" 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo"; else \
	    echo "missing Debian packages:$$missing. Install them: sudo apt-get install$$missing" >&2; exit 1; fi; \
	  echo "installing Debian packages:$$missing"; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi

$(STAMP): setup.py constraints.txt requirements/sim-nodeps.txt requirements/test-nodeps.txt | system-packages
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	$(VENV)/bin/python -m pip install --quiet --no-deps --requirement requirements/sim-nodeps.txt --requirement requirements/test-nodeps.txt
	touch $@

demo: setup
	$(VENV)/bin/zipmo demo

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Side by side, but for what talks over ROS: there the tests look at times, and the graphs have both cores to themselves.
test: lint
	$(VENV)/bin/python -m pytest -m "not ros" --numprocesses auto --maxprocesses 4 --dist loadfile
	$(VENV)/bin/python -m pytest -m ros

# Jazzy's packages come first; what is not ROS is found in the other environment, behind them.
$(JAZZY)/.ready: requirements/jazzy.txt | setup
	test -x $(JAZZY)/bin/python || $(VENV)/bin/python -m venv $(JAZZY)
	$(JAZZY)/bin/python -m pip install --quiet --requirement requirements/jazzy.txt
	printf "import site; site.addsitedir('%s')\n" $$($(VENV)/bin/python -c "$(SITE)") > $$($(JAZZY)/bin/python -c "$(SITE)")/behind.pth
	touch $@

test-jazzy: $(JAZZY)/.ready
	PYTHONPATH=$(CURDIR):$(CURDIR)/policy:$(CURDIR)/sim $(JAZZY)/bin/python -m pytest -m ros

test-interfaces: setup
	PYTHON=$(VENV)/bin/python zipmo_interfaces/build_from_wheels.sh .venv-interfaces $(INTERFACES)
	AMENT_PREFIX_PATH=$(INTERFACES) LD_LIBRARY_PATH=$(INTERFACES)/lib \
	PYTHONPATH=$$(echo $(INTERFACES)/lib/python3.*/site-packages) \
	$(VENV)/bin/python -m pytest test/nodes/test_instruct.py

clean:
	rm -rf $(VENV) $(JAZZY) .venv-interfaces build install log *.egg-info
