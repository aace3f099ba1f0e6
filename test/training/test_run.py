"""What tells training runs apart."""

import dataclasses

import pytest
from training_settings import request

from zipmo_ros.contract.share import share_path
from zipmo_ros.training.run import identity

RUN = request("policy")
WORDINGS = str(share_path("config/wordings/train.yaml"))


def same(run=RUN, data="of demonstrations", sources=None):
    return identity(run, data, sources or {"vae": "one"}) == identity(RUN, "of demonstrations", {"vae": "one"})


def changed(**options):
    return dataclasses.replace(RUN, stage={**RUN.stage, **options})


def test_a_run_goes_on_with_other_validation_windows():
    assert same()
    assert same(changed(validation_windows=3))
    assert same(dataclasses.replace(RUN, model={**RUN.model, "a part that came since": {}}))


@pytest.mark.parametrize(
    "other",
    [
        {"data": "of others"},
        {"sources": {"vae": "another, trained since"}},
        {"run": changed(batch_size=12)},
        {"run": dataclasses.replace(RUN, validation_states=(21,))},
        {"run": dataclasses.replace(RUN, model={**RUN.model, "policy": {"depth": 1}})},
        {"run": dataclasses.replace(RUN, rephrasings=WORDINGS)},
    ],
)
def test_a_run_does_not_go_on_with_other_data_options_or_checkpoints(other):
    assert not same(**other)


def test_rules_count_that_the_sentences_are_put_in_words_by():
    told = dataclasses.replace(RUN, rephrasings=WORDINGS)
    mini, libero, both = (
        identity(told, "of demonstrations", {}, sentences)
        for sentences in (["stack the red block on the blue block"], ["turn on the stove"], ["turn on the stove", "?"])
    )
    assert mini == identity(told, "of demonstrations", {})
    assert mini != libero == both
