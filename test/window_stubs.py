"""Windows of demonstrations out of nothing."""

import dataclasses

import torch

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data.windows import DemonstrationWindows

SENTENCES = ("put the milk in the left bin", "turn the lever to the left")


def make_windows(count=4, points=24, **given):
    """Windows of two demonstrations that alternate, steps 0, 0, 2, 2, ..., of a scene of both sentences; zero where
    nothing is given.
    """
    shape = (count, 2, points)
    generator = torch.Generator().manual_seed(0)
    arrays = {
        "images": torch.randint(0, 256, (count, 2, 128, 128, 3), dtype=torch.uint8, generator=generator),
        "tracks": torch.zeros(*shape, 16, 2),
        "visible": torch.ones(*shape, 16, dtype=torch.bool),
        "moving": torch.zeros(shape, dtype=torch.bool),
        "demo": torch.arange(count) % 2,
        "step": torch.arange(count) // 2 * 2,
        "told": torch.tensor([[0, 1]]).repeat(count, 1),
        **given,
    }
    names = {field.name for field in dataclasses.fields(DemonstrationWindows) if "Tensor" in field.type}
    blank = {name: torch.zeros(count, dtype=torch.int64) for name in names - set(arrays)}
    names = ("suite/task/demo_0", "suite/task/demo_1")
    return DemonstrationWindows(
        **blank, **arrays, views=load_robot().views, sentences=SENTENCES, demos=names, parts=(), data_hash="d"
    )
