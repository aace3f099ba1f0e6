"""A control step, equal to robosuite 1.4's to the bit, that computes kinematics and contacts once a physics step.

robosuite has them computed before the action and in the controller, and MuJoCo's step computes them again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def control_step(environment: Any, action: np.ndarray) -> None:
    """What `environment.step(action)` does to the state of a robosuite environment with Euler's integrator.

    Its buffer of forces at the hand, which nothing here reads, is a physics step late. Observables are not updated.
    """
    import mujoco

    model, data = environment.sim.model._model, environment.sim.data._data
    environment.timestep += 1
    with _up_to_date(environment.sim):
        for substep in range(int(environment.control_timestep / environment.model_timestep)):
            mujoco.mj_step1(model, data)
            environment._pre_action(action, policy_step=substep == 0)
            mujoco.mj_step2(model, data)
    environment.cur_time += environment.control_timestep
    environment._post_action(action)


@contextmanager
def _up_to_date(sim: Any) -> Iterator[None]:
    """Whoever asks the simulation to follow its state in the meantime finds that it has."""
    sim.forward = lambda: None
    try:
        yield
    finally:
        del sim.forward
