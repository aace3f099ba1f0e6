"""What stops an arm from outside, and the way back."""

from __future__ import annotations

from collections.abc import Callable

from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.wire import topics
from zipmo_ros.runtime.latch import SafetyError
from zipmo_ros.runtime.safety import Safety
from zipmo_ros.runtime.watchdog import Watchdog


class Guard:
    """Emergency stop, deadman, `~/stop` and `~/arm` of a node that commands an arm.

    safety: what they latch and release. on_stop: called at once when one of them stops it. deadman_timeout: seconds of
    silence, or of False, after which the deadman's stop comes; 0: no deadman is asked for.
    """

    def __init__(self, node: ManagedNode, safety: Safety, on_stop: Callable[[], None], deadman_timeout: float):
        self._node, self._safety, self._on_stop = node, safety, on_stop
        self._deadman = Watchdog(topics.DEADMAN, deadman_timeout) if deadman_timeout > 0 else None
        for qos in (topics.COMMAND, topics.LATCHED):  # whoever stops it need not know which of the two is heard
            node.create_subscription(Bool, topics.EMERGENCY_STOP, self._on_emergency_stop, qos)
        if self._deadman is not None:
            node.create_subscription(Bool, topics.DEADMAN, self._on_deadman, topics.SENSOR)
        node.create_service(Trigger, "~/stop", self._on_stop_request)
        node.create_service(Trigger, "~/arm", self._on_arm_request)

    def check(self) -> None:
        """Look at what is silent (called often)."""
        if self._deadman is None:
            return
        problem = self._deadman.problem()
        if problem is None:
            self._safety.over("deadman")
        else:
            self._trip("deadman", problem)

    def follow_commander(self, commanded: Callable[[], bool]) -> None:
        """Stop the arm when whoever commands it says that it does, if it is commanded. At once: the pose to hold that
        comes with that is one of a moment ago, which the hand would creep back to.
        """

        def stop(message: String) -> None:
            if commanded():
                self._trip("commander", f"its commander has stopped it: {message.data}")

        self._node.create_subscription(String, topics.STOP, stop, topics.COMMAND)

    def report(self) -> None:
        """Say what stands in the way."""
        reason = self._safety.reason
        text = reason and f"arm stopped: {reason}; once that is over, re-arm it with `zipmo arm`"
        self._node.report.problem("safety", text)

    def _trip(self, cause: str, text: str) -> None:
        self._safety.trip(cause, text)
        self.report()
        self._on_stop()

    def _on_emergency_stop(self, message: Bool) -> None:
        if message.data:
            self._trip("e-stop", f"{topics.EMERGENCY_STOP} was pressed")
        else:
            self._safety.over("e-stop")

    def _on_deadman(self, message: Bool) -> None:
        assert self._deadman is not None
        if message.data:
            self._deadman.feed()
        else:
            self._deadman.reset()

    def _on_stop_request(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._trip("stop request", "a stop was requested")
        response.success, response.message = True, "stopped; re-arm it with ~/arm"
        return response

    def _on_arm_request(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._safety.arm()
        except SafetyError as error:
            response.success, response.message = False, str(error)
        else:
            response.success, response.message = True, "armed"
        self.report()
        return response
