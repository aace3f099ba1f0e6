"""Every departure from the paper that docs/departures.md names is done by something that is there."""

import ast
import re

import pytest
import yaml
from sources import ROOT

from zipmo_ros.training.recipe import TrainingRecipe

PAGE = (ROOT / "docs/departures.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| paper |")]
POINTERS = sorted(set(re.findall(r"`([\w/.-]+\.(?:py|yaml):[\w.]+)`", PAGE)))


def is_there(pointer):
    """Whether file:name is: a key of a YAML file; a class, function or constant of a module, or a member of a class."""
    file, _, name = pointer.partition(":")
    text = (ROOT / file).read_text()
    if file.endswith(".yaml"):
        found = yaml.safe_load(text)
        for key in name.split("."):
            if not isinstance(found, dict) or key not in found:
                return False
            found = found[key]
        return True
    inside = ast.parse(text).body
    for part in name.split("."):
        named = {getattr(node, "name", None): getattr(node, "body", []) for node in inside}
        named |= {ast.unparse(node.target): [] for node in inside if isinstance(node, ast.AnnAssign)}
        named |= {ast.unparse(target): [] for node in inside if isinstance(node, ast.Assign) for target in node.targets}
        if part not in named:
            return False
        inside = named[part]
    return True


@pytest.mark.parametrize("pointer", POINTERS)
def test_it_points_to_what_is_there(pointer):
    assert is_there(pointer)


def test_what_is_not_there_is_found():
    assert not is_there("config/hydra/stage/planner.yaml:stage.time_median")
    assert not is_there("zipmo_ros/motion/zipmo/config.py:VaeConfig.latent_grids")
    assert not is_there("zipmo_ros/motion/zipmo/config.py:VaeKonfig")


def test_every_row_has_a_place_and_says_what_it_was_worth():
    assert len(ROWS) > 35
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4, row
        assert re.search(r"`[\w/.-]+:[\w.]+`", cells[2]), row
        assert cells[3], row


def test_the_ablations_are_recipes():
    named = set(re.findall(r"\brecipe=([\w-]+)|`(nano-mini-[\w-]+)`", PAGE))
    for name in {one or other for one, other in named}:
        TrainingRecipe.load(name)
    assert len(named) > 4
