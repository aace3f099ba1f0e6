"""Our stand-in for CRISP is one to CRISP's own Python client, which we did not write."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="the fake arms need pin")
if importlib.util.find_spec("crisp_py") is None:
    pytest.skip("needs crisp-python (requirements/test-nodeps.txt)", allow_module_level=True)

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.faults.fake_arms import CrispStandIn

pytestmark = pytest.mark.ros


def test_crisp_python_drives_the_stand_in(graph):
    arm = graph.add(CrispStandIn(load_robot(), **graph.options()))
    environment = {**os.environ, "ROS_DOMAIN_ID": str(graph.domain)}
    script = str(Path(__file__).parent / "crisp_client.py")
    client = subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        graph.until(lambda: client.poll() is not None, timeout=60)
        told = json.loads(client.stdout.read().splitlines()[-1])
    finally:
        client.kill()
        client.communicate()
    assert told["left_m"] < 0.003
    assert told["moved_m"] == pytest.approx(np.linalg.norm([0.06, 0.04, 0.05]), abs=0.003)
    assert told["turned_rad"] < 0.02
    np.testing.assert_allclose(told["joints"], arm.joints, atol=0.02)
    assert not arm.refused
