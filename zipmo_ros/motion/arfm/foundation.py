"""The paper's encoders: SAM2.1-hiera-tiny for maps, CLIP ViT-B/32 for image tokens and text. Frozen, by transformers.

Their weights come from folders that the user has, as transformers saves them; nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.arfm.encoders import Frames, Words
from zipmo_ros.motion.dinov2 import IMAGENET_MEAN, IMAGENET_STD
from zipmo_ros.motion.images import to_signed

SAM_SIZE, CLIP_SIZE = 512, 224  # pixels a side that they are shown
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
END = 49407  # CLIP's end-of-text token
SAM_FOLDER, CLIP_FOLDER = "sam2.1-hiera-tiny", "clip-vit-base-patch32"


class FoundationEncoders(nn.Module):
    """See OwnEncoders. Weights are random until `load` fills them."""

    words = silence = 32
    local_width, global_width, text_width = 352, 768, 512

    def __init__(self) -> None:
        super().__init__()
        from transformers import (
            CLIPTextConfig,
            CLIPTextModel,
            CLIPVisionConfig,
            CLIPVisionModel,
            Sam2HieraDetConfig,
            Sam2VisionConfig,
            Sam2VisionModel,
        )

        self.sam = Sam2VisionModel(Sam2VisionConfig(backbone_config=Sam2HieraDetConfig()))
        # SAM2 keeps the projections of its two finer maps in the mask decoder.
        self.fine, self.middle = nn.Conv2d(256, 32, 1), nn.Conv2d(256, 64, 1)
        self.clip, self.text = CLIPVisionModel(CLIPVisionConfig()), CLIPTextModel(CLIPTextConfig())
        self.requires_grad_(False).eval()

    def load(self, folder: str | Path) -> None:
        """Weights of FOLDER/sam2.1-hiera-tiny and FOLDER/clip-vit-base-patch32. Raises FileNotFoundError without."""
        from transformers import CLIPTextModel, CLIPVisionModel, Sam2Model

        folders = [Path(folder) / name for name in (SAM_FOLDER, CLIP_FOLDER)]
        if missing := [str(path) for path in folders if not (path / "config.json").is_file()]:
            raise FileNotFoundError(f"no model in {', '.join(missing)}: save it there with transformers")
        sam = Sam2Model.from_pretrained(folders[0], local_files_only=True)
        self.sam.load_state_dict(sam.vision_encoder.state_dict())
        self.fine.load_state_dict(sam.mask_decoder.conv_s0.state_dict())
        self.middle.load_state_dict(sam.mask_decoder.conv_s1.state_dict())
        for part, kind in ((self.clip, CLIPVisionModel), (self.text, CLIPTextModel)):
            part.load_state_dict(kind.from_pretrained(folders[1], local_files_only=True).state_dict())

    def train(self, mode: bool = True) -> FoundationEncoders:
        """Always in eval mode: they are frozen."""
        return super().train(False)

    def look(self, images: Tensor, _text: Tensor, _hidden: Tensor | None = None) -> tuple[Frames, None]:
        """images [R, V, H, W, 3] uint8 or [-1, 1]. They don't read the sentence, and point at nothing."""
        views = images.shape[1]
        x = (rearrange(to_signed(images), "r v h w c -> (r v) c h w") + 1) / 2
        fine, middle, coarse = self.sam(_prepared(x, SAM_SIZE, IMAGENET_MEAN, IMAGENET_STD)).fpn_hidden_states
        maps = (self.fine(fine), self.middle(middle), coarse)
        tokens = self.clip(_prepared(x, CLIP_SIZE, CLIP_MEAN, CLIP_STD)).last_hidden_state[:, 1:]
        flat = tuple(rearrange(level, "(r v) c h w -> r v (h w) c", v=views) for level in maps)
        return Frames(flat, rearrange(tokens, "(r v) g c -> r v g c", v=views)), None

    def read(self, text: Tensor) -> Words:
        """Token ids [B, 32] of CLIP's tokenizer, padded with its end-of-text token."""
        output = self.text(text)
        end = (text == END).int().argmax(dim=1)  # the first one ends the sentence
        counted = torch.arange(text.shape[1], device=text.device) <= end[:, None]
        return Words(output.last_hidden_state, output.pooler_output, counted)


def _prepared(x: Tensor, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """[B, 3, H, W] in [0, 1] as an encoder wants it."""
    x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return (x - x.new_tensor(mean)[:, None, None]) / x.new_tensor(std)[:, None, None]
