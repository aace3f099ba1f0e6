"""What networks are told of where an image encoder points."""

import torch

from zipmo_ros.motion.pointer import Pointing


def test_of_each_frame_its_first_sentence_is_told():
    places = torch.tensor([[-0.5, 0.5], [0.25, 0.75]]).expand(4, 1, 1, 2, 2)  # two cells
    logits = torch.full((4, 1, 1, 2), -20.0)
    logits[[0, 1, 3], ..., 0] = 20.0  # sure of the first cell
    logits[2, ..., 1] = 20.0  # the second frame's first sentence: of the other
    told = Pointing(logits, places).told(2)
    torch.testing.assert_close(told, torch.tensor([[1.0, -0.5, 0.5], [1.0, 0.25, 0.75]]))
    unsure = Pointing(torch.zeros(2, 1, 1, 2), places[:2]).told(2)
    torch.testing.assert_close(unsure[0], torch.tensor([0.5, -0.0625, 0.3125]))  # half of the mean place
