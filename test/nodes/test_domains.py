"""Graphs that are to be alone share no domain."""

import subprocess
import sys

import pytest

from zipmo_ros.nodes.domains import PrivateDomain


def test_no_two_have_the_same():
    one, other = PrivateDomain(), PrivateDomain()
    pair = (71, 72)
    assert [one.claim(pair), other.claim(pair)] == [71, 72]
    with pytest.raises(RuntimeError, match="all ROS domains are in use"):
        PrivateDomain().claim(pair)
    one.free()
    assert PrivateDomain().claim(pair) == 71
    other.free()


def test_a_process_that_is_killed_frees_its_own():
    code = "import os; from zipmo_ros.nodes.domains import PrivateDomain; PrivateDomain().claim((73,)); os.abort()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0
    domain = PrivateDomain()
    assert domain.claim((73,)) == 73
    domain.free()
