"""What the package says of itself, and what it ships."""

import ast
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from sources import ROOT, module_name, trees

import zipmo_ros

OURS = "zipmo_interfaces"  # beside this package, which does without it


def test_the_version_stands_in_package_xml_alone():
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    run = subprocess.run(
        [sys.executable, "setup.py", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert zipmo_ros.__version__ == version == run.stdout.split()[-1]
    assert not [file for file in (ROOT / "setup.py", *(ROOT / name for name in trees())) if version in file.read_text()]


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_what_debian_has_is_found_without_sbin_on_the_path(tmp_path):
    """Debian's ordinary users have no /usr/sbin there, and may not install what is there already."""
    for name in ("grep", "id"):
        (tmp_path / name).symlink_to(shutil.which(name))
    command = [shutil.which("make"), "--silent", "system-packages", f"PYTHON={sys.executable}"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"PATH": str(tmp_path)}, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_changelog_is_one_by_rep_132():
    """What is to come gets its version and date on release; release tools must find every version then."""
    parser = pytest.importorskip("catkin_pkg.changelog")
    text = (ROOT / "CHANGELOG.rst").read_text()
    assert text.splitlines()[1] == "Changelog for package zipmo_ros"
    headings = re.findall(r"^(.+)\n-{3,}$", text, re.MULTILINE)
    assert headings
    assert "Forthcoming" not in headings[1:]
    released = text.replace("Forthcoming\n-----------\n", "99.0.0 (2099-01-01)\n-------------------\n")
    changelog = parser.populate_changelog_from_rst(parser.Changelog("zipmo_ros"), released)
    sections = list(changelog.foreach_version(reverse=True))
    assert len(sections) == len(headings)
    assert all(content for *_, content in sections)


@pytest.mark.parametrize("manifest", ["package.xml", "zipmo_interfaces/package.xml"])
def test_manifests_are_valid(manifest):
    package = pytest.importorskip("catkin_pkg.package")
    warnings = []
    found = package.parse_package(str(ROOT / manifest), warnings=warnings)
    found.validate(warnings=warnings)
    assert warnings == []
    assert (found.package_format, found.version) == (3, zipmo_ros.__version__)


def message_packages():
    """ROS packages whose messages, services or actions the product imports -> whether some file can do without."""
    found = {}
    for tree in trees().values():
        guarded = {inner for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (match := re.fullmatch(r"(\w+)\.(?:msg|srv|action)", node.module)):
                found[match[1]] = found.get(match[1], True) and node in guarded
    del found["rclpy"]  # whose module of actions is called like a package's
    return found


def test_imported_messages_are_declared():
    """In the manifest for ROS installations; as wheels too, unless their absence is provided for."""
    used = message_packages()
    assert {"std_msgs", "builtin_interfaces"} <= set(used)
    manifest = ElementTree.parse(ROOT / "package.xml")
    declared = {element.text for element in manifest.iter() if element.tag in ("depend", "exec_depend")}
    assert set(used) - {OURS} <= declared
    extras = re.findall(r'"ros-([a-z-]+)"', (ROOT / "setup.py").read_text())
    needed = {name for name, optional in used.items() if not optional}
    assert needed <= {name.replace("-", "_") for name in extras}
    for file in ("constraints.txt", "requirements/jazzy.txt"):
        pinned = (ROOT / file).read_text().replace("[fastrtps]", "")
        assert not [name for name in extras if f"ros-{name}==" not in pinned], file


def test_what_launch_files_start_is_declared():
    manifest = ElementTree.parse(ROOT / "package.xml")
    declared = {element.text for element in manifest.iter("exec_depend")}
    started = {
        word.value.value
        for file, tree in trees().items()
        if "launch" in file.name or "launching" in file.name
        for word in ast.walk(tree)
        if isinstance(word, ast.keyword) and word.arg == "package" and isinstance(word.value, ast.Constant)
    }
    assert {"zipmo_ros", "rviz2"} <= started
    assert started - {"zipmo_ros"} | {"launch", "launch_ros", "ros2launch"} <= declared


def test_users_get_the_types():
    for root in ("zipmo_ros", "policy/zipmo_policy", "sim/zipmo_sim"):
        assert (ROOT / root / "py.typed").is_file()


def test_tools_are_pinned():
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {"pytest", "hypothesis", "ruff", "mypy"} <= pinned


def test_what_is_typed_stays_typed():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    (unclean,) = [override["module"] for override in overrides if override.get("ignore_errors")]
    assert unclean == sorted(set(unclean) & {module_name(file) for file in trees()})
    assert not [name for name in unclean if name.split(".")[1] in ("contract", "runtime", "nodes", "models")]
    assert len(unclean) <= 54, "the list may only get shorter"
