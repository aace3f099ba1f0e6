"""Windows of demonstrations: what is read, how it is split, and what is refused."""

import h5py
import numpy as np
import pytest
import torch
from training_settings import augment_config
from window_stubs import make_windows

from zipmo_ros.data.batches import WindowBatches
from zipmo_ros.data.windows import DemonstrationWindows, action_windows
from zipmo_ros.training.augmentation import augment, random_shift


@pytest.fixture(scope="module")
def windows(demonstrations):
    return DemonstrationWindows.load(demonstrations)


def test_shapes_types_and_contents(windows, demonstrations):
    assert len(windows) == 2 * 6 * 12
    assert windows.images.shape == (144, 2, 128, 128, 3)
    assert windows.images.dtype == torch.uint8
    assert windows.tracks.shape == (144, 2, 160, 16, 2)
    assert windows.tracks.dtype == torch.float16
    assert windows.sentences == ("reach the blue block", "reach the red block")
    with h5py.File(demonstrations / "synthetic/reach_the_red_block_demo.hdf5") as file:
        demo = file["data/demo_2"]
        row = windows.demos.index("synthetic/reach_the_red_block/demo_2")
        mine = (windows.demo == row).nonzero()[:, 0]
        assert windows.step[mine].tolist() == list(range(0, 24, 2))
        np.testing.assert_array_equal(windows.images[mine[3], 1], demo["obs/eye_in_hand_rgb"][3])
        np.testing.assert_array_equal(windows.tracks[mine[3], 0], demo["tracks/agentview"][3])
        np.testing.assert_allclose(windows.actions[mine[1]], demo["actions"][2:18], rtol=1e-6)
        np.testing.assert_allclose(windows.proprio[mine[1], :7], demo["obs/joint_states"][2], rtol=1e-6)
        assert windows.init_state[mine[0]] == demo.attrs["init_state"]
    red = windows.sentences.index("reach the red block")
    assert set(windows.sentence[mine].tolist()) == {red}


def test_actions_past_the_end_keep_the_gripper():
    actions = np.arange(21.0).reshape(3, 7)
    window = action_windows(actions, np.array([0, 2]), horizon=4)
    np.testing.assert_array_equal(window[1, 0], actions[2])
    np.testing.assert_array_equal(window[1, 1:], [[0, 0, 0, 0, 0, 0, 20]] * 3)
    np.testing.assert_array_equal(window[0, :3], actions)


def test_split_by_init_state(windows):
    training, validation = windows.split((23, 24))
    assert set(windows.init_state[validation].tolist()) == {23, 24}
    assert set(windows.init_state[training].tolist()) == {19, 20, 21, 22}
    assert len(training) + len(validation) == len(windows)
    assert not set(windows.demo[training].tolist()) & set(windows.demo[validation].tolist())


def test_folders_and_partial_loading(demonstrations, windows):
    small = DemonstrationWindows.load(demonstrations / "synthetic", images=False, tracks=False, max_demos=1)
    assert len(small) == 2 * 12
    assert small.images.numel() == small.tracks.numel() == 0
    assert small.data_hash != windows.data_hash
    twice = DemonstrationWindows.load(f"{demonstrations},{demonstrations}", images=False, tracks=False)
    assert len(twice) == 2 * len(windows)
    assert DemonstrationWindows.load(demonstrations, images=False, tracks=False).data_hash == windows.data_hash


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"obs_alignment": "after_action"}, "obs_alignment is 'after_action', but 'before_action'"),
        ({"macros_image_convention": "opengl"}, "macros_image_convention is 'opengl'"),
        ({"format_version": 99}, "format_version"),
        ({"first_state": 24}, "init state 25, kept for evaluation"),
    ],
)
def test_refuses_what_breaks_the_format(write, tmp_path, attrs, message):
    write(tmp_path, demos=2, steps=4, **attrs)
    with pytest.raises(ValueError, match=message):
        DemonstrationWindows.load(tmp_path)


def test_refuses_other_orientation_looks_and_missing_files(write, tmp_path):
    write(tmp_path, demos=1, steps=4, suite="one")
    with h5py.File(tmp_path / "one/reach_the_red_block_demo.hdf5", "a") as file:
        file["data/demo_0"].attrs["orientation"] = "raw"
    with pytest.raises(ValueError, match="orientation is 'raw'"):
        DemonstrationWindows.load(tmp_path / "one")
    write(tmp_path / "a", demos=1, steps=4, suite="two")
    write(tmp_path / "b", demos=1, steps=4, suite="two", render_hash="reflections")
    with pytest.raises(ValueError, match="differ in render_hash"):
        DemonstrationWindows.load([tmp_path / "a", tmp_path / "b"])
    write(tmp_path / "b", demos=1, steps=4, suite="two")
    assert len(DemonstrationWindows.load([tmp_path / "a", tmp_path / "b"])) == 8
    with pytest.raises(FileNotFoundError, match="zipmo collect"):
        DemonstrationWindows.load(tmp_path / "nothing")
    (tmp_path / "a/two/broken_demo.hdf5").write_bytes(b"not hdf5")
    with pytest.raises(ValueError, match="cannot be read"):
        DemonstrationWindows.load(tmp_path / "a")


def test_proprio_statistics(windows):
    mean, std = windows.proprio_statistics(torch.arange(len(windows)))
    normal = (windows.proprio - mean) / std
    assert normal.mean(0).abs().max() < 1e-4
    assert (std > 0).all()


def test_batches_cover_everything_and_resume_exactly():
    def collate(chosen, generator):
        return chosen, torch.rand(3, generator=generator)

    batches = WindowBatches(torch.arange(10, 20), 4, 7, collate)
    first = torch.cat([next(batches)[0] for _ in range(5)])
    assert sorted(first.tolist()) == sorted([*range(10, 20)] * 2)
    state = batches.state_dict()
    expected = [next(batches) for _ in range(4)]
    other = WindowBatches(torch.arange(10, 20), 4, 999, collate)
    other.load_state_dict(state)
    for (chosen, noise), (wanted, wanted_noise) in zip([next(other) for _ in range(4)], expected, strict=True):
        assert torch.equal(chosen, wanted)
        assert torch.equal(noise, wanted_noise)


def test_shift_moves_points_with_the_image():
    images = torch.zeros(2, 2, 128, 128, 3, dtype=torch.uint8)
    images[:, :, 60, 40] = 255
    shifted, shifts = random_shift(images, 4, torch.Generator().manual_seed(0))
    assert shifts.unique().numel() > 2
    for b in range(2):
        for v in range(2):
            row, column = shifted[b, v, :, :, 0].nonzero()[0].tolist()
            point = torch.tensor([60.5, 40.5]) / 64 - 1 + shifts[b, v]
            torch.testing.assert_close(point, torch.tensor([row + 0.5, column + 0.5]) / 64 - 1)


def test_augmented_images_stay_in_range_and_none_is_the_identity():
    images = torch.randint(0, 256, (2, 2, 128, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    values, _ = augment(images, augment_config(), torch.Generator().manual_seed(2))
    assert values.min() >= -1
    assert values.max() <= 1
    assert not torch.equal(values[0, 0], values[0, 1])
    plain, shifts = augment(images, None, torch.Generator())
    torch.testing.assert_close(plain, images / 127.5 - 1)
    assert not shifts.any()


LIGHT, SENSOR = {"gain": 0.8, "gamma": 0.5, "cast": 0.5}, {"noise": 0.1, "blur": 1.5}
NOTHING = dict.fromkeys(("shift", "brightness", "contrast", "saturation"), 0)


def augmented(images, seed=0, **strengths):
    config = augment_config(**{**NOTHING, **strengths})
    return augment(images, config, torch.Generator().manual_seed(seed))[0]


def test_light_is_that_of_a_sample_and_sensors_are_those_of_an_image():
    image = torch.randint(0, 256, (1, 1, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images = image.expand(3, 2, -1, -1, -1)
    plain = augmented(images)
    torch.testing.assert_close(plain, images / 127.5 - 1)
    for name, value in {**LIGHT, **SENSOR}.items():
        changed = augmented(images, **{name: value})
        assert changed.abs().max() <= 1
        assert torch.equal(changed[0, 0], changed[0, 1]) == (name in LIGHT), name
        assert not torch.equal(changed[0, 0], changed[1, 0]), name
        weaker = augmented(images, **{name: value / 4})
        assert 0 < (weaker - plain).abs().mean() < (changed - plain).abs().mean(), name
    grey = torch.full((4, 1, 8, 8, 3), 100, dtype=torch.uint8)
    assert augmented(grey, gain=0.5)[..., 0, 0, :].std(-1).max() < 1e-6, "a gain has no colour"
    assert augmented(grey, cast=0.5)[..., 0, 0, :].std(-1).min() > 1e-3
    torch.testing.assert_close(augmented(grey, blur=1.5), grey / 127.5 - 1)


def test_the_data_hash_is_of_all_contents(write, tmp_path):
    """Of tracks and images too: the same actions, tracked anew, are other data."""
    folder = write(tmp_path, demos=1, steps=4)
    before = DemonstrationWindows.load(folder).data_hash
    path = next(folder.rglob("*_demo.hdf5"))
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["sha256"] = "of other tracks"
    assert DemonstrationWindows.load(folder).data_hash != before
    with h5py.File(path, "a") as file:
        del file["data/demo_0"].attrs["sha256"]
    with pytest.raises(ValueError, match="demo_0: has no sha256"):
        DemonstrationWindows.load(folder)


def test_layouts_beyond_those_of_the_evaluation_are_taken(write, tmp_path):
    write(tmp_path, demos=2, steps=4, first_state=100)
    assert set(DemonstrationWindows.load(tmp_path).init_state.tolist()) == {100, 101}


def test_another_sentence_is_one_of_the_scene():
    told = torch.tensor([[0, 1], [1, -1], [-1, 0], [1, 0]])
    windows = make_windows(told=told, sentence=torch.tensor([0, 1, 1, 1]))
    assert windows.another_sentence(torch.tensor([0, 1, 2, 3])).tolist() == [1, 1, 0, 0]
    assert windows.another_sentence(torch.tensor([3, 0])).tolist() == [0, 1]
    silent = make_windows(told=torch.zeros(4, 0, dtype=torch.int64), sentence=torch.tensor([0, 1, 1, 0]))
    assert silent.another_sentence(torch.arange(4)).tolist() == [0, 1, 1, 0]
