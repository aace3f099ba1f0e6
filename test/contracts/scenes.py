"""What planners and policies are tried on, and how a refusal is looked at."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from zipmo_ros.contract.goal import Pokes, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.robot import RobotSpec

SENTENCES = (Sentence("put the milk in the left bin"), Sentence("turn the lever to the right"))
POKES = (Pokes(((0.0, 0.0, 0.1, 0.3, 1.0),)), Pokes(((0.0, 0.0, 0.1, -0.3, 1.0),)))


def observe(robot: RobotSpec, image_size: int, step: int = 2) -> Observation:
    """A random observation of step `step`, an episode of its own for each."""
    rng = np.random.default_rng(step)
    images = {view: rng.integers(0, 256, (image_size, image_size, 3), dtype=np.uint8) for view in robot.views}
    proprio = rng.uniform(-0.5, 0.5, len(robot.proprio_names)).astype(np.float32)
    return Observation(7 * 10**9 + step * robot.period_ns, step, images, proprio)


@contextmanager
def unchanged(observation: Observation) -> Iterator[None]:
    """Whoever is given the observation leaves its arrays as they are."""
    before = copy.deepcopy(observation)
    yield
    assert observation.images.keys() == before.images.keys()
    for view, image in before.images.items():
        np.testing.assert_array_equal(observation.images[view], image, err_msg=f"the image of {view} was changed")
    np.testing.assert_array_equal(observation.proprio, before.proprio, err_msg="the proprioception was changed")


@contextmanager
def refused(name: str) -> Iterator[None]:
    """A ValueError whose text names what is wrong; anything else, or silence, fails."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, ValueError) or name not in str(error):
            raise AssertionError(f"expected a ValueError that names '{name}', got {error!r}") from error
    else:
        raise AssertionError(f"expected a ValueError that names '{name}', and nothing was refused")
