"""MuJoCo reads its OpenGL backend once, at its first import: choose it before any test module is collected."""

import contextlib

from zipmo_sim.rendering import select_backend

with contextlib.suppress(RuntimeError):  # no off-screen OpenGL here: the tests that render say so themselves
    select_backend()
