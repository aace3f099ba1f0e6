"""One perturbation of one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw, family_of
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.perturbations.move import Move
from zipmo_sim.perturbations.subject import Perturbable

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv


class Perturbation:
    """A kind (of KINDS) at a strength in (0, 1], drawn anew for each episode of a task whose scene is `subject`.

    What exactly it is (which side, which axis, which texture) follows from its name, the seed, the task and the initial
    state; not from the strength. Raises ValueError for what there is not, or what the scene has no room for.
    """

    def __init__(self, name: str, strength: float, subject: Perturbable):
        if name not in KINDS:
            raise ValueError(f"unknown perturbation {name!r}; choose one of {', '.join(KINDS)}")
        if not 0 < strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, got {strength}")
        self.name, self.strength, self.subject, self.kind = name, strength, subject, KINDS[name]
        if not self.kind.fits(subject):
            raise ValueError(f"perturb={name} needs a {self.kind.needs}, and this task has none ({subject.thing})")
        self.move: Move | None = None
        self._draw: Draw | None = None

    @property
    def draw(self) -> Draw:
        """Of the present episode; there from `start` on."""
        assert self._draw is not None
        return self._draw

    def start(self, env: ManipulationEnv, seed: int) -> None:
        """Before an episode's reset: draw, and change the model."""
        rng = np.random.default_rng([*self.name.encode(), seed, env.task.index, env.init_state])
        self._draw, self.move = Draw(rng, self.strength, family_of(env.init_state), self.subject), None
        if self.kind.edit:
            draft = Draft(env)
            self.kind.edit(draft, self.draw)
            draft.install()

    def place(self, env: ManipulationEnv) -> None:
        """The initial state is in place, and has to settle."""
        if self.kind.place:
            env.sim.forward()  # so that bodies are known to be where they were put
            self.kind.place(env, self.draw)

    def begin(self, env: ManipulationEnv) -> None:
        """It has settled; step 0 is next."""
        if self.kind.begin:
            self.kind.begin(env, self.draw)
        if self.kind.moves:
            self.move = self.kind.moves(env, self.draw)

    def step(self, env: ManipulationEnv) -> None:
        """A control step is next."""
        if self.move:
            self.move.step(env)

    def see(self, images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Images {view: uint8 [H, W, 3]} as they are seen."""
        see = self.kind.see
        return {view: see(image, self.draw) for view, image in images.items()} if see else images
