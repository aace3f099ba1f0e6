"""What README and docs/architecture.md say of the code is so."""

import re
import subprocess
import sys

import pytest
from sources import ROOT
from test_architecture import ALLOWED

PAGES = ("README.md", "docs/architecture.md", "examples/README.md")


@pytest.mark.slow
def test_the_python_of_the_readme_runs_as_printed():
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 12
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "(2, 4, 4, 16) (16, 7)"


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_a_page_names_are_there(page):
    first = "|".join(path.name for path in ROOT.iterdir() if path.is_dir())
    named = set(re.findall(rf"`((?:{first})/[\w./-]*)`", (ROOT / page).read_text()))
    named = {path for path in named if not re.search(r"NAME|SUITE", path)}
    assert named, "it names none"
    assert not {path for path in named if not (ROOT / path).exists()}


def test_the_table_of_imports_is_the_one_that_is_kept():
    rows = re.findall(r"^\| `(zipmo[\w.]+)` \| (.*) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    told = {package: tuple(re.findall(r"`([\w.]+)`", allowed)) for package, allowed in rows}
    assert {name: set(allowed) for name, allowed in told.items()} == {name: set(ours) for name, ours in ALLOWED.items()}
