"""ament's own linters, as `colcon test` runs them where a ROS installation has them; ruff is stricter."""

import pytest
from sources import PRODUCT, ROOT

FOLDERS = [str(ROOT / folder) for folder in (*PRODUCT, "test")]
# pydocstyle's rules that this project's docstrings do not follow: moods, capitals and sections.
OTHER_STYLE = ("D205", "D209", "D210", "D213", "D400", "D401", "D403", "D406", "D407", "D413", "D415", "D417")


@pytest.mark.linter
def test_flake8():
    main = pytest.importorskip("ament_flake8.main", reason="ament_flake8 comes with a ROS installation").main
    assert main(argv=["--config", str(ROOT / "setup.cfg"), *FOLDERS]) == 0


@pytest.mark.linter
def test_pep257():
    main = pytest.importorskip("ament_pep257.main", reason="ament_pep257 comes with a ROS installation").main
    assert main(argv=["--add-ignore", *OTHER_STYLE, "--", *FOLDERS[:-1]]) == 0


@pytest.mark.linter
def test_xmllint():
    main = pytest.importorskip("ament_xmllint.main", reason="ament_xmllint comes with a ROS installation").main
    assert main(argv=[str(ROOT / "package.xml"), str(ROOT / "zipmo_interfaces/package.xml")]) == 0
