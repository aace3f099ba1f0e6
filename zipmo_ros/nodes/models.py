"""The models that the nodes run: what is asked of them, and how they come from a checkpoint."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from zipmo_ros.contract.share import bundle_path


class Generator(Protocol):
    """What plans: zipmo_ros.motion.zipmo.generator.MotionGenerator, or a stand-in."""

    latent_shape: tuple[int, ...]

    def plan(self, images: np.ndarray, instruction: str, noise: np.ndarray, steps: int | None) -> np.ndarray: ...
    def point(self, images: np.ndarray, instruction: str) -> np.ndarray: ...
    def decode(self, z: np.ndarray, images: np.ndarray, queries: np.ndarray) -> np.ndarray: ...


class Policy(Protocol):
    """What turns a plan into actions: zipmo_policy.policy.Policy, or a stand-in."""

    def act(self, z: np.ndarray, proprio: np.ndarray) -> np.ndarray: ...


def load_generator(checkpoint: str, device: str, threads: int) -> tuple[Generator, str]:
    """The generator of a bundle and the hash of the bundle's content."""
    import torch

    from zipmo_ros.motion.checkpoint import content_hash
    from zipmo_ros.motion.zipmo.generator import MotionGenerator

    torch.set_num_threads(threads)
    bundle = bundle_path(checkpoint)
    return MotionGenerator.load(bundle, device=device), content_hash(bundle)


def load_policy(checkpoint: str, device: str, threads: int) -> tuple[Policy, str]:
    """The policy of a bundle and the hash of the bundle's content."""
    import torch

    from zipmo_policy.policy import Policy as TrainedPolicy
    from zipmo_ros.motion.checkpoint import content_hash

    torch.set_num_threads(threads)
    bundle = bundle_path(checkpoint)
    return TrainedPolicy.load(bundle, device=device), content_hash(bundle)
