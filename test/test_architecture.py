"""Who may import whom, by what is written and by what really gets imported, and how large things may be."""

import ast
import json
import statistics
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec

import pytest
from sources import ROOT, module_name, shown, trees

SIMULATORS = ("mujoco", "robosuite", "libero", "bddl", "gymnasium")
CONFIGURATION = ("hydra", "omegaconf")
# What each package may import of ours besides itself; a module as a package is itself and what is below it.
ALLOWED = {
    "zipmo_ros.contract": (),
    "zipmo_ros.motion": ("zipmo_ros.contract",),
    "zipmo_ros.runtime": ("zipmo_ros.contract",),
    "zipmo_ros.arms": ("zipmo_ros.contract",),
    "zipmo_ros.data": ("zipmo_ros.contract",),
    "zipmo_ros.training": ("zipmo_ros.contract", "zipmo_ros.motion", "zipmo_ros.data"),
    "zipmo_policy": ("zipmo_ros.contract", "zipmo_ros.motion", "zipmo_ros.training", "zipmo_ros.data"),
    "zipmo_sim": ("zipmo_ros.contract", "zipmo_ros.data"),
    "zipmo_ros.models": ("zipmo_ros.contract", "zipmo_sim.suites", "zipmo_ros.motion.checkpoint"),
    "zipmo_ros.nodes": (
        "zipmo_ros.contract",
        "zipmo_ros.runtime",
        "zipmo_ros.arms",
        "zipmo_ros.data.bag_writer",
        "zipmo_ros.models",
        "zipmo_sim.suites",
        "zipmo_sim.simulator",
    ),
    "zipmo_ros.evaluation": (
        "zipmo_ros.contract",
        "zipmo_ros.motion",
        "zipmo_ros.runtime",
        "zipmo_ros.arms",
        "zipmo_ros.data",
        "zipmo_ros.training",
        "zipmo_ros.models",
        "zipmo_ros.nodes.client",
        "zipmo_policy",
        "zipmo_sim",
    ),
    "zipmo_ros.apps": ("zipmo_ros", "zipmo_policy", "zipmo_sim"),
}
# Of other people's: what each package must do without, wherever in its files it would be imported.
FORBIDDEN = {
    "zipmo_ros.contract": ("rclpy", "torch", "h5py", *CONFIGURATION, *SIMULATORS),
    "zipmo_ros.motion": ("rclpy", "cv2", "h5py", *CONFIGURATION, *SIMULATORS),
    "zipmo_ros.runtime": ("rclpy", "torch", "cv2", "h5py", *CONFIGURATION, *SIMULATORS),
    "zipmo_ros.arms": ("rclpy", "torch", "cv2", "h5py", *CONFIGURATION, *SIMULATORS),
    "zipmo_ros.data": ("rclpy", *CONFIGURATION, *SIMULATORS),
    "zipmo_ros.training": ("rclpy", *CONFIGURATION, *SIMULATORS),
    "zipmo_policy": ("rclpy", *CONFIGURATION, *SIMULATORS),
    "zipmo_sim": ("rclpy", "torch", *CONFIGURATION),
    "zipmo_ros.models": ("rclpy", *CONFIGURATION),
    "zipmo_ros.nodes": ("torch", "h5py", *CONFIGURATION, *SIMULATORS),
    "zipmo_ros.evaluation": ("rclpy", *CONFIGURATION),
    "zipmo_ros.apps": ("rclpy",),
}
# What a package may only import where it uses it, so that its modules load without.
LAZY = {
    "zipmo_ros.contract": ("cv2",),
    "zipmo_ros.arms": ("pinocchio",),
    "zipmo_sim": ("libero", "bddl"),
    "zipmo_ros.models": ("torch", "zipmo_ros.motion"),
}
# What comes along when a package's modules are loaded, without being asked for by name.
BEHIND = {
    "zipmo_ros.models": ("zipmo_sim.rendering", "zipmo_sim.task"),
    "zipmo_ros.nodes": ("zipmo_sim.rendering", "zipmo_sim.task"),
    "zipmo_ros.evaluation": (
        "zipmo_ros.nodes.domains",
        "zipmo_ros.nodes.graph",
        "zipmo_ros.nodes.processes",
        "zipmo_ros.nodes.transport",
    ),
}


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports(tree: ast.AST, runtime_only: bool = False) -> set[str]:
    """Modules, and what is taken from them, that are imported anywhere in a file.

    runtime_only: without those that only a type checker sees.
    """
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), "a relative import"
    unseen = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    skipped = {inner for node in unseen for inner in ast.walk(node)} if runtime_only else set()
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def modules_of(package: str) -> list[str]:
    found = [name for name in map(module_name, trees()) if within(name, (package,))]
    assert found, f"{package} has no files"
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_what_is_written(package):
    ours = (package, *ALLOWED[package], "zipmo_ros.__version__")
    wrong = [
        f"{file} imports {module}"
        for file, tree in trees().items()
        if within(module_name(file), (package,))
        for module in imports(tree)
        if within(module, FORBIDDEN[package])
        or (within(module, ("zipmo_ros", "zipmo_policy", "zipmo_sim")) and not within(module, ours))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_file_belongs_to_a_package():
    known = (*ALLOWED, "launch")
    others = [name for name in map(module_name, trees()) if not within(name, known) and name != "zipmo_ros"]
    assert not others, f"say what these may import: {others}"


def test_nothing_imports_the_apps():
    wrong = [
        f"{file} imports {module}"
        for file, tree in trees().items()
        if not within(module_name(file), ("zipmo_ros.apps", "launch"))
        for module in imports(tree)
        if within(module, ("zipmo_ros.apps",))
    ]
    assert not wrong, "\n".join(wrong)


def loaded(modules: list[str], blocked: tuple[str, ...]) -> list[str]:
    """Names of all modules that a fresh interpreter has once it has imported these, where `blocked` can't be."""
    code = f"""
import importlib, json, sys
for name in {blocked!r}: sys.modules[name] = None
for name in {modules!r}: importlib.import_module(name)
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("package", ALLOWED)
def test_what_gets_imported(package):
    if package == "zipmo_ros.nodes" and find_spec("rclpy") is None:
        pytest.skip("needs rclpy")
    found = loaded(modules_of(package), (*FORBIDDEN[package], *LAZY.get(package, ())))
    ours = (package, *ALLOWED[package], *BEHIND.get(package, ()))
    parents = {".".join(name.split(".")[:depth]) for name in ours for depth in range(1, name.count(".") + 1)}
    wrong = [
        name
        for name in found
        if within(name, ("zipmo_ros", "zipmo_policy", "zipmo_sim")) and name not in parents and not within(name, ours)
    ]
    assert not wrong, f"importing {package} brings {wrong}"


def test_the_contract_needs_numpy_and_yaml_alone():
    known = {*sys.stdlib_module_names, "numpy", "yaml", "_yaml", "zipmo_ros"}
    brought = set(loaded(modules_of("zipmo_ros.contract"), ())) - set(loaded([], ()))  # beside what every start brings
    assert not {top for name in brought if (top := name.split(".")[0]) not in known and "cython" not in top}


def top_names(tree: ast.Module) -> set[str]:
    """What a module offers, without what its functions and classes keep to themselves."""
    names, left = set(), list(tree.body)
    for node in left:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
        else:
            names.update([node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else [])
            left += ast.iter_child_nodes(node)
    return names


def test_what_is_imported_is_there():
    """Imports inside functions too, which break only when they run."""
    defined = {module_name(file): top_names(tree) for file, tree in trees().items()}
    wrong = [
        f"{file}: {node.module} has no {alias.name}"
        for file, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and within(node.module, ("zipmo_ros", "zipmo_policy", "zipmo_sim"))
        for alias in node.names
        if f"{node.module}.{alias.name}" not in defined and alias.name not in defined.get(node.module, ())
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_through_others():
    names = {module_name(file) for file in trees()}
    graph = {}
    for file, tree in trees().items():
        found = imports(tree, runtime_only=True)
        named = {module if module in names else module.rpartition(".")[0] for module in found} & names
        graph[module_name(file)] = named - {module_name(file)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_no_print_in_library_code():
    offenders = [
        shown(file, node)
        for file, tree in trees().items()
        if not within(module_name(file), ("zipmo_ros.apps",))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not offenders, offenders


def test_files_stay_short():
    long = {str(file): n for file in trees() if (n := len((ROOT / file).read_text().splitlines())) > 400}
    assert not long, f"split these: {long}"


def test_functions_stay_short():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    lines = {
        f"{file}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for file, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, functions)
    }
    assert not {name: count for name, count in lines.items() if count > 60}
    assert statistics.median(lines.values()) <= 6


def test_no_two_classes_share_a_name():
    places: dict[str, list[str]] = {}
    for file, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(shown(file, node))
    assert not {name: where for name, where in places.items() if len(where) > 1}
