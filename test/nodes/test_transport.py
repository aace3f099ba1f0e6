"""Images between processes, and the environment that decides how they travel."""

import json
from xml.etree import ElementTree

import pytest

from zipmo_ros.apps import cli
from zipmo_ros.contract.share import share_path
from zipmo_ros.nodes import transport
from zipmo_ros.nodes.processes import environment

PROFILE = str(share_path(transport.PROFILES))


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in (*transport.VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"), ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE")],
)
def test_nodes_get_the_profile_by_the_name_that_their_fast_dds_reads(monkeypatch, distribution, variable):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    assert {name: environment().get(name) for name in transport.VARIABLES if name in environment()} == {
        variable: PROFILE
    }


@pytest.mark.parametrize("name", [*transport.VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS"])
def test_a_transport_that_the_user_chose_stays(monkeypatch, name):
    monkeypatch.setenv(name, "mine")
    told = environment()
    assert told[name] == "mine"
    assert PROFILE not in told.values()


def test_a_segment_holds_many_images():
    (segment,) = ElementTree.parse(PROFILE).iter("{http://www.eprosima.com}segment_size")
    assert int(segment.text) > 16 * 640 * 480 * 3


@pytest.mark.ros
def test_images_arrive_with_the_profile(tmp_path, fresh_domain, capsys):
    """Fast DDS's defaults lose them by chance, which is measured, not tested."""
    words = ["count=20", "rate_hz=10", "turns=1", f"domain={fresh_domain()}", f"out={tmp_path}"]
    assert cli.main(["bench", "transport", *words]) == 0
    report = json.loads((tmp_path / "transport.json").read_text())
    without, with_profile = report["rows"]
    assert without["sent"] == with_profile["sent"] == 20
    assert with_profile["arrived"] >= 16
    assert 0 < with_profile["p50_ms"] <= with_profile["p99_ms"] <= with_profile["max_ms"]
    assert f"{with_profile['p50_ms']:.2f}" in capsys.readouterr().out
