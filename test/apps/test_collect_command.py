"""`zipmo collect leader=...`: the model that acts first."""

from zipmo_ros.apps.collect import _load_leader
from zipmo_ros.evaluation.evaluate import resolve


def test_a_bundle_leads():
    run = resolve(suite="mini", checkpoint=None, via="direct", seed=0, replan_every=2, nfe=None, ensemble="intended")
    leader = _load_leader(run)
    assert leader.image_every == 2
    assert len(leader.name.split("-")) == 3, "the hashes of what it is made of"
