"""What all tests share: the OpenGL backend, and what is skipped where LIBERO is not installed."""

import contextlib

import hypothesis
import pytest
from synthetic_demonstrations import demonstrations, write  # noqa: F401  (fixtures)

from zipmo_sim.rendering import select_backend
from zipmo_sim.suites.libero.assets import AssetsNotFoundError, LiberoNotInstalledError, find_assets, task_folder

# How long a case takes says how busy the machine is, not whether it is right.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

# MuJoCo reads its backend once, at its first import: choose it before any test module is collected.
with contextlib.suppress(RuntimeError):  # no off-screen OpenGL here: the tests that render say so themselves
    select_backend()


def pytest_collection_modifyitems(items):
    missing = None
    try:
        task_folder("init_files")
        find_assets()
    except (AssetsNotFoundError, LiberoNotInstalledError) as error:
        missing = str(error)
    for item in items:
        if missing and item.get_closest_marker("libero"):
            item.add_marker(pytest.mark.skip(reason=missing))
