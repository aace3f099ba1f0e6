"""Recipes: commands that exist, in an order that can be run, with budgets that can be repeated."""

import pytest
import yaml
from omegaconf import OmegaConf

from zipmo_ros.apps.collect import CollectRequest
from zipmo_ros.apps.configuration import load
from zipmo_ros.contract.share import share_path
from zipmo_ros.motion.zipmo.config import planner_nano
from zipmo_ros.training.recipe import OUT, RECIPES, TrainingRecipe
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import model_config

NAMES = sorted(path.stem for path in share_path(RECIPES).glob("*.yaml"))
TINY = {
    "suite": "mini",
    "seed": 3,
    "collect": {"some": {"episodes": 2}},
    "train": {
        "vae": {"train.max_steps": 2},
        "grounding": {"train.max_steps": 2},
        "planner": {"vae": "vae", "encoder": "grounding", "train.max_steps": 2, "seed": 5},
        "policy": {"vae": "vae", "train.max_steps": 2},
    },
    "led": None,
}


def write(folder, **changes):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_recipe_is_one_and_comes_after_what_it_needs(name):
    pytest.importorskip("hydra")
    jobs = TrainingRecipe.load(name).jobs()
    for number, job in enumerate(jobs):
        assert set(job.needs) <= set(jobs[:number]), job.name
        command, *words = job.words
        if command == "collect":
            load("collect", [word.replace(OUT, "runs") for word in words], CollectRequest)
        else:
            config = load("train", [f"stage={words[0]}", *(word.replace(OUT, "runs") for word in words[1:])])
            assert config.train.max_minutes is None


@pytest.mark.parametrize("name", [name for name in NAMES if "planner" in TrainingRecipe.load(name).first.train])
def test_the_planner_of_a_recipe_can_be_built(name):
    planners = [job.words for job in TrainingRecipe.load(name).jobs() if [*job.words[:2]] == ["train", "planner"]]
    assert len(planners) == len(TrainingRecipe.load(name).phases)
    for words in planners:
        asked = load("train", [f"stage={words[1]}", *(word.replace(OUT, "runs") for word in words[2:])])
        request = TrainingRequest.of(OmegaConf.to_container(asked, resolve=True))
        config = model_config({"nano": planner_nano}, request, "planner")
        assert (config.image.landmarks == 0) == name.endswith("no-pointing")
        assert bool(config.image.understanding) == bool(config.image.landmarks)


def test_what_shares_its_batches_takes_several_workers():
    jobs = {job.name: job for job in TrainingRecipe.load("nano-mini").jobs()}
    assert (jobs["first planner"].shards, jobs["first planner"].spreads) == (2, True)
    assert (jobs["first vae"].shards, jobs["first vae"].spreads) == (1, False)
    assert jobs["collect every"].spreads


@pytest.mark.parametrize("wrong", [0, "two", 1.5])
def test_shards_are_counted(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"vae has train\.shards"):
        TrainingRecipe.load(write(tmp_path, train={"vae": {"train.max_steps": 2, "train.shards": wrong}}))


BASE = "nano-mini-first"  # what others are compared with
RIVALS = ("nano-mini-arfm", "nano-mini-atm")  # with another planner


def whose(name):
    """What an ablation is compared with, and the training that it changes."""
    if rivals := [rival for rival in RIVALS if name.startswith(f"{rival}-")]:
        return rivals[0], rivals[0].rpartition("-")[2]
    return BASE, "policy" if name.endswith("plans") else "planner"


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n.startswith("nano-mini-") and n not in (BASE, *RIVALS, "nano-mini-bc")]
)
def test_an_ablation_changes_one_training_and_no_other(name):
    compared, stage = whose(name)
    base, other = ({job.name: job.digest for job in TrainingRecipe.load(n).jobs()} for n in (compared, name))
    assert base.keys() == other.keys()
    assert [job for job in base if base[job] != other[job]] == [f"first {stage}"]


def test_the_planner_keeps_what_its_encoder_reads_and_reads_the_same_layer():
    planners = [job for job in TrainingRecipe.load("nano-mini").jobs() if job.words[1] == "planner"]
    assert [job.name for job in planners] == ["first planner", "led planner"]
    for job in planners:
        asked = load("train", ["stage=planner", *(word.replace(OUT, "runs") for word in job.words[2:])])
        assert asked.freeze == "reading"
        assert list(asked.model.image.text.tokens.layers) == list(asked.model.planner.text.tokens.layers) == [3]


def test_the_second_phase_goes_on_from_what_the_first_one_reads():
    first, whole = ({job.name: job for job in TrainingRecipe.load(n).jobs()} for n in (BASE, "nano-mini"))
    assert all(whole[name].digest == job.digest for name, job in first.items())
    words = whole["led planner"].words
    assert "init={out}/first/planner" in words
    assert "encoder=null" in words, "the first one's encoder goes on learning to see"


def test_the_rival_is_trained_on_the_same_as_the_model():
    base, jobs = ({job.name: job for job in TrainingRecipe.load(n).jobs()} for n in (BASE, "nano-mini-bc"))
    taken = [job for job in base if job.startswith("collect") or job == "first grounding"]
    assert set(jobs) == {*taken, "first bc"}
    assert all(jobs[job].digest == base[job].digest for job in taken)
    trained = {"planner": base["first planner"], "bc": jobs["first bc"]}
    data = {stage: [word for word in job.words if word.startswith("data=")] for stage, job in trained.items()}
    assert data["bc"] == data["planner"]
    words = {stage: [word.replace(OUT, "runs") for word in job.words[2:]] for stage, job in trained.items()}
    asked = {stage: load("train", [f"stage={stage}", *words[stage]]) for stage in ("bc", "planner")}
    for key in ("pointing_weight", "augment"):
        assert asked["bc"].stage[key] == asked["planner"].stage[key], key
    sizes = [config.stage.batch_size * (config.train.shards or 1) for config in asked.values()]
    assert sizes[0] == sizes[1]
    assert asked["bc"].model.bc.image == asked["planner"].model.planner.image
    assert asked["bc"].rephrasings == asked["planner"].rephrasings


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_planner_sees_and_is_told_the_same(name):
    base, jobs = ({job.name: job for job in TrainingRecipe.load(n).jobs()} for n in (BASE, name))
    stage = name.rpartition("-")[2]
    collected = [job for job in base if job.startswith("collect")]
    assert set(jobs) == {*collected, "first grounding", f"first {stage}", "first track_policy"}
    assert all(jobs[job].digest == base[job].digest for job in [*collected, "first grounding"])
    parts = {"planner": f"{OUT}/first/{stage}", "policy": f"{OUT}/first/track_policy"}
    assert TrainingRecipe.load(name).parts(list(jobs.values())) == parts
    asked = {
        job.words[1]: load("train", [f"stage={job.words[1]}", *(w.replace(OUT, "runs") for w in job.words[2:])])
        for job in (base["first planner"], jobs[f"first {stage}"])
    }
    planner, rival = asked["planner"], asked[stage]
    assert (rival.rephrasings, rival.encoder, rival.seed) == (planner.rephrasings, planner.encoder, planner.seed)
    own = {"shift": planner.stage.augment.shift}  # tracks are shifted along in ATM, and points looked up in ARFM
    assert {**rival.stage.augment, **own} == planner.stage.augment
    policies = [job.digest for n in RIVALS for job in TrainingRecipe.load(n).jobs() if job.name.endswith("_policy")]
    assert policies[0] == policies[1]


def test_a_stage_is_left_out_or_like_another(tmp_path):
    train = {"vae": None, "grounding": {"train.max_steps": 2, "a": 1}, "planner": None, "policy": None,
             "arfm": {"like": "grounding", "encoder": "grounding", "train.max_steps": 3}}  # fmt: skip
    recipe = TrainingRecipe.load(write(tmp_path, train=train))
    assert recipe.first.train["arfm"] == {"encoder": "grounding", "train.max_steps": 3, "a": 1}
    assert list(recipe.first.train) == ["grounding", "arfm"]
    with pytest.raises(ValueError, match="arfm is like vae, which is not trained before it"):
        TrainingRecipe.load(write(tmp_path, train={**train, "arfm": {"like": "vae"}}))


def test_a_collection_may_be_of_another_suite(tmp_path):
    collect = {"some": {"episodes": 2}, "others": {"suite": "libero_goal", "episodes": 1}}
    jobs = {job.name: job for job in TrainingRecipe.load(write(tmp_path, collect=collect)).jobs()}
    assert jobs["collect some"].words[1] == "suite=mini"
    assert jobs["collect others"].words[1] == "suite=libero_goal"
    assert f'data=["{OUT}/data/some", "{OUT}/data/others"]' in jobs["first vae"].words


def test_nano_libero_is_validated_on_a_layout_of_every_suite_that_nothing_is_trained_from():
    recipe = TrainingRecipe.load("nano-libero")
    states = {}
    for keys in recipe.first.collect.values():
        first, last = map(int, keys["init_states"].split("-"))
        states.setdefault(keys.get("suite", recipe.suite), []).append(range(first, last + 1))
    assert set(states) == {"libero_object_mixed", "libero_spatial_mixed", "libero_goal"}
    assert all(100 in plain and not any({*plain} & {*more} for more in looks) for plain, *looks in states.values())
    assert all(keys["validation_states"] == [100] for keys in recipe.first.train.values())


def test_seeds_are_of_the_recipe_unless_said_otherwise(tmp_path):
    recipe = TrainingRecipe.load(write(tmp_path))
    seeds = {job.name: [w for w in job.words if w.startswith("seed=")] for job in recipe.jobs(seed=7)}
    assert seeds.pop("first planner") == ["seed=5"]
    assert all(seed == ["seed=7"] for seed in seeds.values())
    assert "seed=3" in recipe.jobs()[0].words


def test_a_job_depends_on_all_before_it_that_it_builds_on(tmp_path):
    before = {job.name: job.digest for job in TrainingRecipe.load(write(tmp_path)).jobs()}
    longer = TINY["train"] | {"vae": {"train.max_steps": 3}}
    after = {job.name: job.digest for job in TrainingRecipe.load(write(tmp_path, train=longer)).jobs()}
    assert {name for name in before if before[name] != after[name]} == {"first vae", "first planner", "first policy"}


def test_a_second_phase_is_led_and_goes_on(tmp_path):
    led = {"collect": {"more": {"episodes": 1, "seed": 9}}, "train": {"planner": {"vae": "vae", "train.max_steps": 1}}}
    recipe = TrainingRecipe.load(write(tmp_path, led=led))
    jobs = {job.name: job for job in recipe.jobs()}
    assert "leader={out}/first" in jobs["collect more"].words
    assert {job.name for job in jobs["collect more"].needs} == {"first vae", "first planner", "first policy"}
    again = jobs["led planner"]
    assert {"init={out}/first/planner", "vae={out}/first/vae", "out={out}/led/planner"} <= set(again.words)
    assert 'data=["{out}/data/some", "{out}/data/more"]' in again.words
    assert 'data=["{out}/data/some"]' in jobs["first planner"].words
    parts = recipe.parts(recipe.jobs())
    assert parts == {"vae": "{out}/first/vae", "planner": "{out}/led/planner", "policy": "{out}/first/policy"}


def test_a_training_of_the_second_phase_may_be_like_the_first_ones(tmp_path):
    again = {"planner": {"like": "planner", "encoder": None, "train.max_steps": 9}}
    recipe = TrainingRecipe.load(write(tmp_path, led={"collect": {}, "train": again}))
    (words,) = (job.words for job in recipe.jobs() if job.name == "led planner")
    assert {"seed=5", "vae={out}/first/vae", "init={out}/first/planner", "encoder=null", "train.max_steps=9"} <= {
        *words
    }
    with pytest.raises(ValueError, match="planner is like bc, which is not trained before it"):
        TrainingRecipe.load(write(tmp_path, led={"collect": {}, "train": {"planner": {"like": "bc"}}}))


def test_planners_of_tracks_lead_no_second_phase(tmp_path):
    train = {**TINY["train"], "vae": None, "planner": None, "policy": None, "arfm": {"train.max_steps": 2}}
    led = {"collect": {"more": {"episodes": 1}}, "train": {}}
    recipe = TrainingRecipe.load(write(tmp_path, train=train, led=led))
    with pytest.raises(ValueError, match=r"tracks lead none.*there is no vae, planner, policy"):
        recipe.jobs()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"train": {"vae": {}}}, "vae needs train.max_steps, a whole number, got None"),
        ({"train": {"vae": {"train.max_steps": 1e4}}}, "vae needs train.max_steps"),
        ({"train": {"vae": {"train.max_steps": 9, "train.max_minutes": 3}}}, "ends by the clock"),
        ({"led": {"collect": {}, "train": {"vae": {}}}}, "vae needs train.max_steps"),
        ({"led": {"train": {}}}, "is not one of suite, seed, collect, train and led"),
        ({"led": {"collect": {}, "train": {}, "trian": {}}}, "is not one of suite, seed, collect, train and led"),
        ({"more": 1}, "is not one of suite"),
    ],
)
def test_what_cannot_be_repeated_or_read_is_refused(changes, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        TrainingRecipe.load(write(tmp_path, **changes))


def test_what_is_not_trained_before_is_named(tmp_path):
    recipe = TrainingRecipe.load(write(tmp_path, train={"policy": {"vae": "vae", "train.max_steps": 1}}))
    with pytest.raises(ValueError, match="policy builds on vae=vae, which is not trained before it"):
        recipe.jobs()
    with pytest.raises(FileNotFoundError, match="no recipe 'macro'; there are nano-libero, nano-mini"):
        TrainingRecipe.load("macro")
