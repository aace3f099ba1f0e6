"""What the nodes have in common: lifecycle with reasons, parameters, one worker thread, guarded inputs, diagnostics."""

from __future__ import annotations

import functools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from zipmo_ros.nodes.diagnostics import StatusReport
from zipmo_ros.nodes.graph import NodeEntry, parameters_path
from zipmo_ros.nodes.parameters import declare
from zipmo_ros.nodes.sole_source import Claims, SoleSource, whole_topic
from zipmo_ros.nodes.states import NOT_ACTIVATED, NOT_CONFIGURED, State
from zipmo_ros.nodes.worker import Worker

if TYPE_CHECKING:  # rclpy has it from Kilted on
    from rclpy.subscription import MessageInfo

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
Result = TypeVar("Result")
Callback = TypeVar("Callback", bound=Callable[..., Any])
LAST_WORDS = 0.3  # s for what is published last to arrive
MISSED_WAKE = 0.1  # s after which a finished job is found without the guard condition


class StartError(RuntimeError):
    """A node that starts itself could not."""


class ManagedNode(LifecycleNode):
    """A lifecycle node that keeps all its state in the executor's thread.

    What goes wrong in a callback of a message, a timer, a service or a finished job is reported, and dropped with it:
    no input ends the node. Sub-classes give `entry` and `schema`, and override load, unload, begin, end and values.
    `load` and `unload` run in the worker; an exception of `load` or `begin` makes the transition fail with its text as
    the reason.
    """

    entry: NodeEntry
    schema: type

    def __init__(self, **options: Any):
        super().__init__(self.entry.name, **options)
        self.active = False
        self.asked_to_end = threading.Event()
        self.settings = declare(self, self.schema, parameters_path(self.entry), self._take_settings)
        self.report = StatusReport(self, self._all_values)
        self.worker = Worker(self.entry.name)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.sources: list[SoleSource] = []
        self._delivered: deque[Callable[[], None]] = deque()
        self._wake = self.create_guard_condition(self._deliver)
        # A trigger that comes while the middleware goes through its guard conditions may be lost for good
        # (ros2/rmw_fastrtps#895), and with it the plan that everybody waits for.
        self.create_timer(MISSED_WAKE, self._deliver, clock=self.steady)
        self.create_timer(1.0, self._report_regularly, clock=self.steady)
        if self.settings.autostart:
            self._autostart = self.create_timer(0.01, self._start, clock=self.steady)

    def load(self) -> None:
        """Load what takes long (in the worker)."""

    def unload(self) -> None:
        """Free what `load` made (in the worker)."""

    def begin(self) -> None:
        """Become active; publishers work from here on."""

    def end(self) -> None:
        """Stop acting; publishers still work."""

    def check(self) -> None:
        """Look at standing problems, once a second."""

    def values(self) -> dict:
        """Numbers for /diagnostics."""
        return {}

    def submit(self, job: Callable[[], Result], then: Callable[[Result], None],
               failed: Callable[[Exception], None], idle: bool = False) -> bool:  # fmt: skip
        """Run `job` in the worker and `then(result)` or `failed(error)` in the executor's thread.

        idle: once there is nothing else to do. Returns whether a job that had not begun was dropped for it.
        """

        def run() -> None:
            try:
                result = job()
            except Exception as error:
                caught = error  # the name of an except clause is gone once it is left
                self.deliver(lambda: failed(caught))
            else:
                self.deliver(lambda: then(result))

        return self.worker.post_idle(run) if idle else self.worker.post(run)

    def deliver(self, callback: Callable[[], None]) -> None:
        """Have the executor's thread run `callback` (from any thread)."""
        self._delivered.append(callback)
        self._wake.trigger()

    def _deliver(self) -> None:
        while self._delivered:
            self.guarded(self._delivered.popleft(), "after a job")()

    def guarded(self, callback: Callback, where: str) -> Callback:
        """The callback, but what it raises becomes an event that says where; then it returns None."""

        @functools.wraps(callback)  # rclpy looks at the signature
        def call(*given: Any) -> Any:
            try:
                return callback(*given)
            except Exception as error:
                if isinstance(error, StartError) or not self.context.ok():
                    raise  # that ends the node, see `run`
                self.report.event(f"{where}: {error!r}; dropped")
                self.get_logger().debug(traceback.format_exc())
                return None

        return call  # type: ignore[return-value]

    def create_subscription(self, msg_type: Any, topic: str, callback: Any, *more: Any, **options: Any) -> Any:
        callback = self.guarded(callback, topic)
        return super().create_subscription(msg_type, topic, callback, *more, **options)

    def create_timer(self, timer_period_sec: float, callback: Any, *more: Any, **options: Any) -> Any:
        return super().create_timer(timer_period_sec, self.guarded(callback, "timer"), *more, **options)

    def create_service(self, srv_type: Any, srv_name: str, callback: Any, *more: Any, **options: Any) -> Any:
        guarded = self.guarded(callback, srv_name)

        def answer(request: Any, response: Any) -> Any:
            return guarded(request, response) or response  # as it is: for most types, no success

        return super().create_service(srv_type, srv_name, answer, *more, **options)

    def subscribe(self, kind: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile,
                  claims: Claims = whole_topic) -> None:  # fmt: skip
        """Subscribe to an input that must have one publisher, or one for each of its parts (see SoleSource).

        A message that `callback` refuses with an exception is dropped, and makes nobody the publisher to listen to.
        """
        source = SoleSource(self, self.report, topic, kind, claims)
        self.sources.append(source)

        def take(message: Any, info: MessageInfo) -> None:
            if not self.active or not source.accepts(message, info):
                return
            try:
                callback(message)
            except ValueError as error:
                self.report.event(f"{topic}: {error}; message dropped")
            else:
                source.valid(message, info)

        self.create_subscription(kind, topic, take, qos)

    def rivals(self) -> str | None:
        """Who besides those that are listened to publishes inputs that must have one publisher."""
        return "; ".join(filter(None, (source.rivals() for source in self.sources))) or None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self.worker.call(self.load, self._goes_on)
        except Exception as error:
            return self._fail("configure", NOT_CONFIGURED, error)
        self.report.stands("configure", None)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        self.active = True
        try:
            self.begin()
        except Exception as error:
            self.active = False
            super().on_deactivate(state)
            return self._fail("activate", NOT_ACTIVATED, error)
        self.report.stands("activate", None)
        self.get_logger().info(f"active with {self.settings}")
        self.deliver(self.report.publish)  # once the transition is over
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop_acting()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._unload()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop_acting()
        self._unload()
        return super().on_shutdown(state)

    def leave(self) -> None:
        """Stop acting, for the process ends: what is published on the way out still arrives."""
        if not self.active or not self.context.ok():
            return
        try:
            self.stop_acting()
            deadline = time.monotonic() + LAST_WORDS
            for publisher in self.publishers:
                publisher.wait_for_all_acked(Duration(seconds=max(0.0, deadline - time.monotonic())))
        except Exception as error:  # the process ends all the same
            self.get_logger().error(f"stopping on the way out: {error!r}")

    def close(self, timeout: float = 1.5) -> bool:
        """Free everything and end the worker; returns whether it ended in time."""
        return self.worker.close(self.unload, timeout)

    def _unload(self) -> None:
        try:
            self.worker.call(self.unload, self._goes_on)
        except Exception as error:  # it is gone all the same
            self.report.event(f"unloading: {error}")

    def _goes_on(self) -> bool:
        return self.context.ok() and not self.asked_to_end.is_set()

    def stop_acting(self) -> None:
        """As before a deactivation; nothing to do for a node that is not active."""
        if self.active:
            self.end()
            self.active = False

    def _fail(self, transition: str, state: State, error: Exception) -> TransitionCallbackReturn:
        self.report.stands(transition, state, f"{transition} failed: {error or type(error).__name__}")
        return FAILURE

    def _start(self) -> None:
        self._autostart.cancel()
        if self.trigger_configure() != SUCCESS or self.trigger_activate() != SUCCESS:
            raise StartError(self.report.last_error)

    def _take_settings(self, settings: Any) -> None:
        self.settings = settings

    def _report_regularly(self) -> None:
        for source in self.sources:
            source.check()
        if self.active:
            self.check()
        self.report.publish()

    def _all_values(self) -> dict:
        return {"state": self._state_machine.current_state[1], **self.values()}
