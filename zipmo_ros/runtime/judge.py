"""Whether a sentence was understood: decided once, when it is first planned for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from zipmo_ros.contract.plan import UNDERSTOOD, MotionPlan, Verdict


class Judge:
    """Gives plans their verdict, which stands until a sentence is said, be it the same, or an episode begins.

    So an arm that works does not stop where its hand hides what it was told of, and one that holds does not begin at a
    lucky glance. refuse: the arm is to hold where a sentence was not understood.
    """

    def __init__(self, refuse: bool) -> None:
        self.refuse = refuse
        self.verdict: Verdict | None = None  # on what was planned for last
        self._about: Hashable = None

    def reset(self) -> None:
        """Begin an episode."""
        self.verdict = self._about = None

    def judged(self, plan: MotionPlan, said: Hashable = None) -> MotionPlan:
        """The plan with its verdict; as it is, where whoever made it can't tell. said: when its goal was, if known."""
        if (plan.goal, said) != self._about:
            self._about, self.verdict = (plan.goal, said), None
            if plan.understood is not None:
                refused = self.refuse and plan.understood < UNDERSTOOD
                self.verdict = Verdict(plan.understood, plan.stamp_ns, refused)
        return plan if self.verdict is None else replace(plan, verdict=self.verdict)
