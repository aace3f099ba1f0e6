"""Starts that a model has led to: it acts for a while, then the expert takes over and shows how to go on from there.

What a model does wrong takes it to states that no demonstration starts from; labelling them is the point of DAgger
(Ross et al. 2011). Here whole demonstrations begin there, so that their tracks are the expert's.
"""

from dataclasses import dataclass

import numpy as np

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.stamps import observation_stamp
from zipmo_ros.evaluation.rollout import MakeAgent, as_models_see
from zipmo_sim.env import ManipulationEnv

LEAST, MOST = 10, 120  # control steps for which a model leads


@dataclass(frozen=True)
class Leader:
    """A model that acts first. name: of its checkpoint. image_every: steps between the images that it needs."""

    name: str
    image_every: int
    make_agent: MakeAgent

    def lead(self, env: ManipulationEnv, rng: np.random.Generator) -> int:
        """Act from the present state, then call that the episode's beginning; returns the steps that it took."""
        agent = self.make_agent(env)
        agent.reset()
        most, number = int(rng.integers(LEAST, MOST)), int(rng.integers(2**20))  # the number is of its noise
        goal = Sentence(env.task.language)
        for step in range(most):
            images = env.render_views() if step % self.image_every == 0 else {}
            stamp_ns = observation_stamp(number, step, env.robot.period_ns)
            seen = Observation(stamp_ns, step, images, env.proprio(), env.hand())
            action = agent.act(as_models_see(seen, env.robot.cameras), goal)
            if env.step(action)[2]:
                break
        env.begin()
        return step + 1
