"""What the package says of itself, and what it ships."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest
from sources import ROOT, module_name, trees

import zipmo_ros


def test_the_version_stands_in_package_xml_alone():
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    run = subprocess.run(
        [sys.executable, "setup.py", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert zipmo_ros.__version__ == version == run.stdout.split()[-1]
    assert not [file for file in (ROOT / "setup.py", *(ROOT / name for name in trees())) if version in file.read_text()]


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
