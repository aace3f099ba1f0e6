"""A planner that follows points from image to image is not confused by what may happen to its node; over the wire."""

import graph_stubs
import pytest
from test_planner_inputs import BLACK, PERIOD, Cameras
from test_track_planners import arfm

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.wire import messages as convert

pytestmark = pytest.mark.ros

FROM_NOTHING, TAKEN_ALONG = "begun anew", "taken along"


class Watched:
    """ARFM, and for each plan by stamp whether it was taken along from the one before."""

    def __init__(self):
        self.arfm, self.plans, self.fails = arfm(), {}, 0
        self.spec = self.arfm.spec

    def __getattr__(self, name):
        return getattr(self.arfm, name)

    def plan(self, observation, goal, seed, samples=1):
        if self.fails:
            self.fails -= 1
            raise RuntimeError("out of memory")
        before = self.arfm.tracker.calls
        plan = self.arfm.plan(observation, goal, seed, samples)
        followed = self.arfm.tracker.calls > before or self._past() > 1
        self.plans[observation.stamp_ns // PERIOD] = TAKEN_ALONG if followed else FROM_NOTHING
        return plan

    def _past(self):
        return self.arfm._course.past.shape[2]


@pytest.fixture
def planner():
    return Watched()


@pytest.fixture
def node(graph, planner):
    load = lambda settings: (planner, "tiny")  # noqa: E731
    return graph.start(PlannerNode(load, **graph.options(checkpoint="stub", autostart=False)))


@pytest.fixture
def cameras(graph, node):
    made = Cameras(graph)
    made.instruct("wander")
    graph.until(lambda: made.in_use == ["wander"])
    made.plan_for(4 * PERIOD)
    made.plan_for(6 * PERIOD)
    return made


def test_what_goes_on_is_taken_along(cameras, planner):
    assert (planner.plans[4], planner.plans[6]) == (FROM_NOTHING, TAKEN_ALONG)


def test_a_gap_as_long_as_a_plan_ends_it(cameras, planner):
    later = 6 + HORIZON
    cameras.plan_for(later * PERIOD)
    cameras.plan_for((later + 2) * PERIOD)
    assert (planner.plans[later], planner.plans[later + 2]) == (FROM_NOTHING, TAKEN_ALONG)


def test_another_sentence_ends_it(graph, cameras, planner):
    cameras.instruct("do something else")
    graph.until(lambda: cameras.in_use[-1] == "do something else")
    cameras.plan_for(8 * PERIOD)
    assert planner.plans[8] == FROM_NOTHING


def test_a_camera_that_is_silent_and_an_image_that_is_none_do_not(graph, cameras, planner):
    left = next(iter(cameras.images))
    grey = convert.image_message(BLACK, 7 * PERIOD, left)
    grey.encoding = "mono8"
    for _ in range(5):
        cameras.images[left].publish(grey)
        cameras.show(8 * PERIOD, [left])
        graph.turn(0.05)
    assert 8 not in planner.plans
    cameras.plan_for(9 * PERIOD)
    assert planner.plans[9] == TAKEN_ALONG


def test_a_plan_that_failed_is_made_by_the_next_image(graph, cameras, planner):
    planner.fails = 1
    graph.until(lambda: cameras.show(8 * PERIOD) or not planner.fails)
    graph.until(lambda: cameras.show(10 * PERIOD) or "out of memory" in cameras.status.message or 10 in planner.plans)
    cameras.plan_for(11 * PERIOD)
    assert planner.plans[11] == TAKEN_ALONG


def test_a_node_that_was_inactive_begins_anew(graph, cameras, node, planner):
    assert node.trigger_deactivate().name == "SUCCESS"
    assert node.trigger_activate().name == "SUCCESS"
    graph.until(lambda: cameras.in_use[-1] == "wander")
    cameras.plan_for(8 * PERIOD)
    assert planner.plans[8] == FROM_NOTHING
    cameras.plan_for(10 * PERIOD)
    assert planner.plans[10] == TAKEN_ALONG
    assert graph_stubs.ROBOT.views == planner.spec.views
