"""What `zipmo train` says a run is."""

import pytest

from zipmo_ros.apps.train import identity

RUN = {"stage": {"name": "policy", "batch_size": 48, "validation_windows": 9}, "model": {}, "validation_states": [22]}


def same(plain=RUN, data="of demonstrations", sources=None):
    return identity(plain, data, sources or {"vae": "one"}) == identity(RUN, "of demonstrations", {"vae": "one"})


def test_a_run_goes_on_with_other_validation_windows():
    assert same()
    assert same({**RUN, "stage": {**RUN["stage"], "validation_windows": 3}})


@pytest.mark.parametrize(
    "other",
    [
        {"data": "of others"},
        {"sources": {"vae": "another, trained since"}},
        {"plain": {**RUN, "stage": {**RUN["stage"], "batch_size": 12}}},
        {"plain": {**RUN, "validation_states": [21]}},
    ],
)
def test_a_run_does_not_go_on_with_other_data_options_or_checkpoints(other):
    assert not same(**other)
