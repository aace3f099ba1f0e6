"""The action `execute_instruction` over stock topics and services, where the package zipmo_interfaces is built."""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.task import Future

from zipmo_ros.nodes.instructed_run import Ending, InstructedRun

try:
    from zipmo_interfaces.action import ExecuteInstruction
except ImportError:  # built by those who want the action; `zipmo say --time-limit` does the same without
    ExecuteInstruction = None

PERIOD = 0.1  # s between two looks, and two feedbacks


class InstructNode(Node):
    """One goal at a time: another is refused while one is under way. A cancelled goal has the arm stopped."""

    def __init__(self, **options: Any):
        super().__init__("instruct", **options)
        self._run = InstructedRun(self)
        self._goal: Any = None
        self._over: Any = None  # the future of an Ending, while a goal is under way
        self.create_timer(PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._server = ActionServer(
            self, ExecuteInstruction, "execute_instruction", self._execute,
            goal_callback=self._on_goal, cancel_callback=lambda _: CancelResponse.ACCEPT,
        )  # fmt: skip

    def _on_goal(self, request: Any) -> GoalResponse:
        if self._over is not None:
            self.get_logger().warning(f"'{request.instruction}' is refused: another instruction is under way")
            return GoalResponse.REJECT
        try:
            limit = request.time_limit
            self._run.begin(request.instruction, limit.sec + limit.nanosec / 1e9)
        except ValueError as error:
            self.get_logger().warning(f"refused: {error}")
            return GoalResponse.REJECT
        self._over = Future()
        return GoalResponse.ACCEPT

    async def _execute(self, goal: Any) -> Any:
        """Wait in the executor's own turns: nothing is blocked meanwhile."""
        self._goal = goal
        ending: Ending = await self._over
        self._goal = self._over = None
        if goal.is_cancel_requested:
            goal.canceled()
        elif ending.success:
            goal.succeed()
        else:
            goal.abort()
        return ExecuteInstruction.Result(success=ending.success, reason=ending.reason)

    def _look(self) -> None:
        goal = self._goal
        if goal is None or self._over is None or self._over.done():
            return
        if goal.is_cancel_requested:
            ending: Ending | None = self._run.stop("cancelled")
        else:
            goal.publish_feedback(self._feedback())
            ending = self._run.ending()
        if ending is not None:
            self._over.set_result(ending)

    def _feedback(self) -> Any:
        progress = self._run.progress()
        feedback = ExecuteInstruction.Feedback(state=progress.state, step=progress.step)
        feedback.elapsed.sec = int(progress.elapsed)
        feedback.elapsed.nanosec = int(progress.elapsed % 1 * 1e9)
        return feedback


def main(args: list[str] | None = None) -> int:
    """0 when interrupted; 1 without the interfaces."""
    if ExecuteInstruction is None:
        sys.stderr.write("instruct_node: zipmo_interfaces is not built; `zipmo say --time-limit` does without it\n")
        return 1
    rclpy.init(args=args)
    node = InstructNode()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
