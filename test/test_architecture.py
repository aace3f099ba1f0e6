"""Who may import whom, and that the motion core stands alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "zipmo_ros.motion": ROOT / "zipmo_ros/motion",
    "zipmo_ros.runtime": ROOT / "zipmo_ros/runtime",
    "zipmo_ros.nodes": ROOT / "zipmo_ros/nodes",
    "zipmo_policy": ROOT / "policy/zipmo_policy",
    "zipmo_sim": ROOT / "sim/zipmo_sim",
}
OURS = ("zipmo_ros", "zipmo_policy", "zipmo_sim")
# What each package may import of ours besides itself.
ALLOWED = {
    "zipmo_ros.motion": (),
    "zipmo_ros.runtime": (),
    "zipmo_ros.nodes": (
        "zipmo_ros.motion",
        "zipmo_ros.runtime",
        "zipmo_ros.contract.share",
        "zipmo_policy",
        "zipmo_sim",
    ),
    "zipmo_policy": ("zipmo_ros.motion",),
    "zipmo_sim": (),
}
# The rollout without ROS, and the agents made for it, compose everything but ROS.
ALLOWED_FILES = dict.fromkeys(
    ("sim/zipmo_sim/rollout.py", "sim/zipmo_sim/oracles.py", "sim/zipmo_sim/leading.py"),
    ("zipmo_ros.motion", "zipmo_ros.runtime", "zipmo_policy"),
)
FORBIDDEN = {
    "zipmo_ros.motion": ("rclpy", "hydra", "omegaconf", "libero", "robosuite", "mujoco", "gymnasium", "cv2"),
    "zipmo_ros.runtime": ("rclpy", "torch", "hydra", "omegaconf", "libero", "robosuite", "mujoco", "gymnasium", "cv2"),
    "zipmo_ros.nodes": ("hydra", "omegaconf"),
    "zipmo_policy": ("rclpy", "hydra", "omegaconf", "libero", "robosuite", "mujoco", "gymnasium"),
    "zipmo_sim": ("rclpy", "hydra", "omegaconf"),
}


def imported_modules(file: Path) -> set[str]:
    package = file.relative_to(ROOT)
    if package.parts[0] in ("policy", "sim"):
        package = Path(*package.parts[1:])
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package.parts[: len(package.parts) - node.level]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.update({f"{module}.{alias.name}" for alias in node.names})
    return names


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports(package):
    files = sorted(PACKAGES[package].rglob("*.py"))
    assert files, f"{package} has no files"
    wrong = []
    for file in files:
        relative = str(file.relative_to(ROOT))
        allowed = (package, *ALLOWED[package], *ALLOWED_FILES.get(relative, ()))
        for module in imported_modules(file):
            ours = module.split(".")[0] in OURS and module not in ("zipmo_ros.__version__",)
            foreign = any(within(module, name) for name in FORBIDDEN[package])
            if foreign or (ours and not any(within(module, name) for name in allowed)):
                wrong.append(f"{relative} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_motion_and_runtime_stand_alone():
    blocked = ("rclpy", "hydra", "omegaconf", "mujoco", "robosuite", "libero", "gymnasium", "cv2", "h5py")
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for name in ("motion", "runtime")
        for file in sorted((ROOT / "zipmo_ros" / name).glob("*.py"))
        if file.stem != "__init__"
    ]
    block = f"import sys\nfor name in {blocked!r}: sys.modules[name] = None"
    code = "\n".join([block, *(f"import {name}" for name in modules)])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr


def test_no_print_in_library_code():
    offenders = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for folder in PACKAGES.values()
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not offenders, offenders


def test_files_stay_short():
    long = {
        str(file.relative_to(ROOT)): lines
        for folder in ("zipmo_ros", "policy", "sim", "launch")
        for file in (ROOT / folder).rglob("*.py")
        if (lines := len(file.read_text().splitlines())) > 400
    }
    assert not long, f"split these: {long}"
