"""A gymnasium environment around any single-arm robosuite 1.4 scene with OSC_POSE control."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium
import numpy as np

from zipmo_ros.contract.pose import composed, pose_of, relative
from zipmo_ros.contract.robot import load_robot
from zipmo_sim.rendering import RenderSettings, ViewRenderer, select_backend
from zipmo_sim.stepping import control_step
from zipmo_sim.task import INIT_STATES, SETTLING, SETTLINGS, Task

if TYPE_CHECKING:
    from zipmo_sim.perturbations.perturbation import Perturbation

# From robosuite's grip site to the frame that a Panda's driver and its URDF call panda_hand_tcp: 6.9 mm along the hand,
# and a quarter turn about it.
_SITE_TO_HAND = np.array([0, 0, 0.0069, 0, 0, np.sqrt(0.5), np.sqrt(0.5)])


def robosuite_options() -> dict[str, Any]:
    """What ManipulationEnv needs of the robosuite environments that are built for it."""
    return {
        "use_camera_obs": False,
        "has_renderer": False,
        "has_offscreen_renderer": False,
        "control_freq": load_robot().rate_hz,
        "ignore_done": True,
        "hard_reset": False,
    }


def cameras() -> dict[str, str]:
    """{view: name of its camera in MuJoCo}."""
    return {camera.view: camera.simulated for camera in load_robot().cameras}


class FailureMonitor(Protocol):
    """Watches every step of an episode, to say why it failed; see failures.py."""

    def begin(self) -> None:
        """The environment's present state is step 0."""
        ...

    def watch(self, action: np.ndarray) -> None:
        """Look at the state that the action [7] has led to."""
        ...

    def verdicts(self) -> dict[str, str]:
        """For each task of the scene, the category of its failure if the episode ended now unsolved."""
        ...


@contextlib.contextmanager
def _global_numpy_seed(seed: int) -> Iterator[None]:
    """robosuite draws from numpy's global generator: seed it for a while, then put it back."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


class ManipulationEnv(gymnasium.Env):
    """One task of one suite.

    Observation: {view: uint8 [H, W, 3] upright RGB, ..., "proprio": float32 [9] = 7 joint
    angles (rad) ++ 2 finger positions (m), "hand": float64 [7] = pose of the hand in the robot's base frame}.
    Action: [7] in [-1, 1] = xyz (x 0.05 m), axis-angle (x 0.5 rad), both in the world frame, gripper (-1 open,
    +1 close). Reward 1 and termination on success, truncation at task.max_steps.

    reset(options={"init_state": i}) starts from initial state i; without it, the seed draws one of the first 50.
    Two runs of the same actions from the same initial state are bit-equal in state and images.

    task: what to do. build: () -> robosuite environment (OSC_POSE, with robosuite_options()).
    place: (robosuite environment, i) -> None, puts initial state i in place, after robosuite's own reset.
    success: (robosuite environment) -> bool. image_every: images are rendered at steps 0, n, 2n, ... and repeated in
    between; 0 never renders and gives black images; info["new_views"] names those rendered at this step. image_phase
    (an attribute): steps that each further view is later by than the one before, after step 0: cameras that are not
    synchronised. settling (an attribute): what passes before step 0. render: what images look like.
    scene_success: predicates of all tasks of this scene by name (None: of this task alone); info["done_tasks"] names
    those that hold now.
    failures: makes what tells failures apart (failures.py); info["failures"] says, for each task of the scene, what its
    failure would be called if the episode ended now (empty without). scene_landmarks: for tasks of this scene by name,
    and for what else it can do by its sentence, (robosuite environment) -> [2, 3] m: what it is about, see landmarks().
    perturbation: what is otherwise, drawn anew at each reset by its seed.
    One environment per process; create, step and close it in one thread (OpenGL contexts are per thread).
    """

    def __init__(
        self,
        task: Task,
        build: Callable[[], Any],
        place: Callable[[Any, int], None],
        success: Callable[[Any], bool],
        image_every: int = 1,
        render: RenderSettings | None = None,
        render_mode: str | None = "rgb_array",
        scene_success: Mapping[str, Callable[[Any], bool]] | None = None,
        failures: "Callable[[ManipulationEnv], FailureMonitor] | None" = None,
        scene_landmarks: Mapping[str, Callable[[Any], np.ndarray]] | None = None,
        perturbation: "Perturbation | None" = None,
    ):
        if image_every < 0:
            raise ValueError(f"image_every must be 0 (never) or positive, got {image_every}")
        select_backend()
        self.task = task
        self.robot = load_robot()
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": self.robot.rate_hz}
        self.image_every = image_every
        self.image_phase = 0
        self.settling = SETTLINGS[SETTLING]
        self.render_settings = render or RenderSettings()
        self.render_mode = render_mode
        self._place = place
        self._success = success
        self._scene_success = scene_success or {task.name: success}
        self._scene_landmarks = scene_landmarks or {}
        self.perturbation = perturbation
        self._renderer: ViewRenderer | None = None
        self.robosuite = build()
        # Its observables are evaluated at every physics substep (25 per control step), and nothing here reads them.
        self.robosuite._observables = {}
        shape = (*self.render_settings.shape, 3)
        image = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.observation_space = gymnasium.spaces.Dict(
            dict.fromkeys(self.robot.views, image)
            | {
                "proprio": gymnasium.spaces.Box(-np.inf, np.inf, (len(self.robot.proprio_names),), np.float32),
                "hand": gymnasium.spaces.Box(-np.inf, np.inf, (7,), np.float64),
            }
        )
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (7,), np.float32)
        self._images = {view: np.zeros(shape, np.uint8) for view in self.robot.views}
        self._step = self._init_state = 0
        self._new_views: tuple[str, ...] = ()
        self._failures = failures(self) if failures else None

    # -- gymnasium ----------------------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        """Start an episode. Raises ValueError for an init_state that the task lacks."""
        super().reset(seed=seed)
        chosen = (options or {}).get("init_state")
        few = min(INIT_STATES, self.task.init_states)
        index = int(self.np_random.integers(few)) if chosen is None else int(chosen)
        if not 0 <= index < self.task.init_states:
            raise ValueError(f"init_state must be in 0..{self.task.init_states - 1}, got {index}")
        self._init_state = index
        if self.perturbation:
            self.perturbation.start(self, int(self.np_random.integers(2**31)))
        # Seeded by the index alone, so that poses that robosuite draws at reset belong to the initial state.
        with _global_numpy_seed(index):
            self.robosuite.reset()
        self._place(self.robosuite, index)
        if self.perturbation:
            self.perturbation.place(self)
        self._forget()
        for _ in range(self.settling.steps):
            self.advance(np.array([0, 0, 0, 0, 0, 0, self.settling.gripper]))
        if self.perturbation:
            self.perturbation.begin(self)
        return self.begin()

    def begin(self) -> tuple[dict, dict]:
        """Call the present state step 0 of an episode: for demonstrations that do not start at an initial state."""
        self._step = 0
        if self._failures:
            self._failures.begin()
        self._look()
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Advance 0.05 s. Raises ValueError for an action of wrong shape or with a number that is not finite."""
        action = np.asarray(action, np.float64)
        if action.shape != (7,) or not np.isfinite(action).all():
            raise ValueError(f"an action has 7 finite numbers, got {action}")
        if self.perturbation:
            self.perturbation.step(self)
        self.advance(np.clip(action, -1.0, 1.0))
        self._step += 1
        if self._failures:
            self._failures.watch(action)
        self._look()
        info = self._info()
        solved = info["success"]
        return self._observation(), float(solved), solved, self._step >= self.task.max_steps, info

    def render(self) -> np.ndarray:
        """The views side by side, uint8 [size, 2 size, 3]."""
        return np.concatenate(list(self.render_views().values()), axis=1)

    def close(self) -> None:
        self._close_renderer()
        if self.robosuite is not None:
            self.robosuite.close()
            self.robosuite = None

    # -- privileged: experts, demonstrations, tracks --------------------------------------------------------------

    @property
    def sim(self):
        """robosuite's MjSim; the raw mujoco objects are sim.model._model and sim.data._data."""
        return self.robosuite.sim

    @property
    def init_state(self) -> int:
        return self._init_state

    def advance(self, action: np.ndarray) -> None:
        """Execute an action [7] in [-1, 1] for 0.05 s that is no step of the episode."""
        control_step(self.robosuite, action)
        # robosuite leaves body poses one physics step behind the state; images must show what get_state gives.
        self.sim.forward()

    def exchange(self, sim: Any) -> Any:
        """Go on in another MjSim of this scene, of the same joints, and return the one so far.

        Until the next reset states can be set and seen in it, not stepped.
        """
        before, self.robosuite.sim = self.robosuite.sim, sim
        self._close_renderer()
        return before

    def success(self) -> bool:
        """Whether the task is solved in the current state."""
        return bool(self._success(self.robosuite))

    def done_tasks(self) -> tuple[str, ...]:
        """Names of the tasks of this scene that are solved in the current state."""
        return tuple(name for name, holds in self._scene_success.items() if holds(self.robosuite))

    def get_state(self) -> np.ndarray:
        """Flattened simulator state float64 [1 + nq + nv]: time, positions, velocities."""
        return self.sim.get_state().flatten()

    def set_state(self, state: np.ndarray) -> None:
        """Restore get_state() output. Poses of fixtures are not part of it: see set_fixture_poses."""
        self.sim.set_state_from_flattened(np.asarray(state, np.float64))
        self.sim.forward()

    def foresee(self, act: Callable[[], np.ndarray], steps: int) -> np.ndarray:
        """States [steps, 1 + nq + nv], the present one first, if act() chose the actions from now on.

        The episode is left exactly as it was: same state, same controller, same steps to come, to the bit.
        """
        import mujoco

        model, data = self.sim.model._model, self.sim.data._data
        robot = self.robosuite.robots[0]
        # The controller and the gripper rebind what they change, so a shallow copy keeps it.
        kept = [(part, dict(vars(part))) for part in (robot.controller, robot.gripper)]
        clock = self.robosuite.timestep, self.robosuite.cur_time
        before = mujoco.MjData(model)
        mujoco.mj_copyData(before, model, data)
        try:
            states = [self.get_state()]
            while len(states) < steps:
                self.advance(np.clip(act(), -1.0, 1.0))
                states.append(self.get_state())
        finally:
            mujoco.mj_copyData(data, model, before)
            for part, attributes in kept:
                vars(part).update(attributes)
            self.robosuite.timestep, self.robosuite.cur_time = clock
        return np.stack(states)

    def render_views(self) -> dict[str, np.ndarray]:
        """Render the current state now: {view: uint8 [size, size, 3], upright}."""
        return self._view_renderer().views()

    def render_views_and_depths(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """render_views() and, from the same drawing, {view: float32 [size, size] metres along the optical axis}."""
        return self._view_renderer().views_and_depths()

    def object_poses(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Free bodies: {name: (position [3] m, quaternion wxyz [4])} in the world frame."""
        data = self.sim.data
        return {
            name: (data.body_xpos[body].copy(), data.body_xquat[body].copy())
            for name, body in self._root_bodies(jointed=True).items()
        }

    def landmarks(self) -> dict[str, np.ndarray]:
        """For each task of this scene {name: [2, 3] m, world}: where the thing to take is now, and where it is to go.

        Of a task of several steps, at the step that is due now. For what the scene can do without a task
        of its own, by its sentence. Empty for suites that don't say.
        """
        return {name: locate(self.robosuite) for name, locate in self._scene_landmarks.items()}

    def fixture_poses(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Bodies fixed to the world: {name: (body_pos [3] m, body_quat wxyz [4])}; get_state does not hold them."""
        model = self.sim.model
        return {
            name: (model.body_pos[body].copy(), model.body_quat[body].copy())
            for name, body in self._root_bodies(jointed=False).items()
        }

    def set_fixture_poses(self, poses: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Put fixtures where fixture_poses() saw them. Raises KeyError for a name that this scene lacks."""
        bodies = self._root_bodies(jointed=False)
        for name, (position, quaternion) in poses.items():
            if name not in bodies:
                raise KeyError(f"this scene has no fixture {name!r}; it has {sorted(bodies)}")
            self.sim.model.body_pos[bodies[name]] = position
            self.sim.model.body_quat[bodies[name]] = quaternion
        self.sim.forward()

    def eef_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Grip site: (position [3] m, rotation matrix [3, 3]); the fingers close along its local x axis."""
        site = self.robosuite.robots[0].eef_site_id
        return self.sim.data.site_xpos[site].copy(), self.sim.data.site_xmat[site].reshape(3, 3).copy()

    def hand(self) -> np.ndarray:
        """Pose of the hand (RobotSpec.hand_frame) in the robot's base frame, float64 [7] (m, quaternion xyzw)."""
        robot = self.robosuite.robots[0]
        site = relative(np.concatenate([robot.base_pos, robot.base_ori]), pose_of(*self.eef_pose()))
        return composed(site, _SITE_TO_HAND)

    def proprio(self) -> np.ndarray:
        """float32 [9]: 7 joint angles (rad) ++ 2 finger positions (m)."""
        robot = self.robosuite.robots[0]
        indices = [*robot._ref_joint_pos_indexes, *robot._ref_gripper_joint_pos_indexes]
        return self.sim.data.qpos[indices].astype(np.float32)

    # -- details --------------------------------------------------------------------------------------------------

    def _root_bodies(self, jointed: bool) -> dict[str, int]:
        model = self.sim.model
        return {
            model.body_id2name(body).removesuffix("_main"): body
            for body in range(1, model.nbody)
            if model.body_parentid[body] == 0 and (model.body_jntnum[body] > 0) == jointed
        }

    def _forget(self) -> None:
        """Remove what a reset without rebuilding the model leaves behind of the episode before."""
        data, robot = self.sim.data._data, self.robosuite.robots[0]
        data.qacc_warmstart[:] = 0
        data.ctrl[:] = 0
        data.act[:] = 0
        robot.gripper.current_action = np.zeros(robot.gripper.dof)
        self.sim.forward()
        robot.controller.update(force=True)
        robot.controller.reset_goal()
        self.robosuite.timestep = 0

    def _close_renderer(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = None

    def _view_renderer(self) -> ViewRenderer:
        if self._renderer is None:
            model, data = self.sim.model._model, self.sim.data._data
            self._renderer = ViewRenderer(model, data, cameras(), self.render_settings)
        return self._renderer

    def _look(self) -> None:
        """Render the views that are due."""
        self._new_views = tuple(view for i, view in enumerate(self.robot.views) if self._is_due(i * self.image_phase))
        if self.image_every:
            images = self._view_renderer().views(self._new_views)
            self._images |= self.perturbation.see(images) if self.perturbation else images

    def _is_due(self, phase: int) -> bool:
        if self._step == 0 or not self.image_every:
            return self._step == 0
        return (self._step - phase) % self.image_every == 0

    def _observation(self) -> dict[str, np.ndarray]:
        images = {view: image.copy() for view, image in self._images.items()}
        return images | {"proprio": self.proprio(), "hand": self.hand()}

    def _info(self) -> dict[str, Any]:
        return {
            "success": self.success(),
            "done_tasks": self.done_tasks(),
            "failures": self._failures.verdicts() if self._failures else {},
            "step": self._step,
            "new_views": self._new_views,
            "task": self.task.name,
            "language": self.task.language,
            "init_state": self._init_state,
        }
