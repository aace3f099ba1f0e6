"""The reference's released files: which of our parts they hold, under which names, and the way in and out.

Our names follow the reference's, so the table is short. A file holds one or several of our parts, each below a prefix:
`vae` (TrackVAE), `planner` (MotionPlanner) and `policy` (the policy head, which lives in another package and is handed
in).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from zipmo_ros.motion.checkpoint import CheckpointError, check_layout
from zipmo_ros.motion.zipmo.config import planner_base_dense, planner_base_libero, planner_base_sparse, vae_base
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

# Where our name of a key differs from the reference's: (our prefix, theirs), for each part.
RENAMED = {
    "vae": (("image_encoder.", "img_embedder.model."),),
    "planner": (("image_encoder.", "img_embedder.model."),),
    "policy": (("trunk.", ""),),
}
MakePolicy = Callable[[], nn.Module]
_VAE = {"vae": ""}
_PLANNER = {"planner": "", "vae": "vae."}
_POLICY = {"policy": "", "planner": "track_predictor.", "vae": "track_predictor.vae."}


@dataclass(frozen=True)
class Layout:
    """One of the seven released kinds of file: its name in the repository, and the prefix of each part."""

    file: str
    prefixes: Mapping[str, str]
    planner: Callable | None = None

    def part(self, name: str, policy: MakePolicy | None = None) -> nn.Module:
        """One of its models, new, at the released size; `policy` makes the head."""
        if name == "vae":
            return TrackVAE(vae_base())
        if name == "planner" and self.planner is not None:
            return MotionPlanner(self.planner())
        if policy is None:
            raise ValueError("this file holds a policy head: pass what builds one")
        return policy()

    def parts(self, policy: MakePolicy | None = None) -> dict[str, nn.Module]:
        """All of them."""
        return {name: self.part(name, policy) for name in self.prefixes}


def _tramoe():
    return planner_base_libero(step_token=True)


LAYOUTS = {
    "vae": Layout("zipmo_vae.safetensors", _VAE),
    "planner_sparse": Layout("zipmo_planner_sparse.safetensors", _PLANNER, planner_base_sparse),
    "planner_dense": Layout("zipmo_planner_dense.safetensors", _PLANNER, planner_base_dense),
    "libero_atm": Layout("zipmo_planner_libero_atm.safetensors", _PLANNER, planner_base_libero),
    "libero_tramoe": Layout("zipmo_planner_libero_tramoe.safetensors", _PLANNER, _tramoe),
    "policy_head_atm": Layout("policy_heads/atm_libero.safetensors", _POLICY, planner_base_libero),
    "policy_head_tramoe": Layout("policy_heads/tramoe_libero_{suite}.safetensors", _POLICY, _tramoe),
}


def reference_key(part: str, key: str) -> str:
    """The reference's name of our key, without the part's prefix."""
    for ours, theirs in RENAMED[part]:
        if key.startswith(ours):
            return theirs + key[len(ours) :]
    return key


def key_table(parts: Mapping[str, nn.Module], prefixes: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """{reference's key: (part, our key)} of a file that holds `parts` below `prefixes`; buffers included."""
    return {
        prefix + reference_key(part, key): (part, key)
        for part, prefix in prefixes.items()
        for key in parts[part].state_dict()
    }


def to_reference(parts: Mapping[str, nn.Module], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Weights under the reference's names, exactly the keys of such a file."""
    states = {part: parts[part].state_dict() for part in prefixes}
    return {theirs: states[part][ours] for theirs, (part, ours) in key_table(parts, prefixes).items()}


def from_reference(
    parts: Mapping[str, nn.Module], prefixes: Mapping[str, str], weights: Mapping[str, Tensor], source: str
) -> None:
    """Load such a file's weights into `parts`, in place (also into models on the meta device), as float32.

    Raises CheckpointError naming `source` and every missing, extra and misshapen key.
    """
    table = key_table(parts, prefixes)
    check_layout(
        {key: tuple(value.shape) for key, value in to_reference(parts, prefixes).items()}, dict(weights), source
    )
    for part in prefixes:
        state = {ours: weights[theirs].float() for theirs, (owner, ours) in table.items() if owner == part}
        parts[part].load_state_dict(state, strict=True, assign=True)


def read_weights(file_or_directory: str | Path) -> tuple[dict[str, Tensor], Path]:
    """Tensors of a safetensors file, or of the only one in a directory, and its path."""
    from safetensors.torch import load_file

    path = Path(file_or_directory)
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise CheckpointError(
                f"{path} must hold exactly one .safetensors file, found {names}; name the file itself"
            )
        path = found[0]
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist")
    try:
        return load_file(path), path
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error


def detect_layout(keys: set[str]) -> str:
    """Which released kind a file is, by its keys. Raises CheckpointError if it is none of them.

    The sparse and the dense planner look alike in them: sparse is assumed.
    """
    if "learned_action_queries" in keys:
        told_the_step = any(k.startswith("track_predictor.start_t_mapping.") for k in keys)
        return "policy_head_tramoe" if told_the_step else "policy_head_atm"
    if "ca_mask_token" in keys:
        return "libero_tramoe" if any(k.startswith("start_t_mapping.") for k in keys) else "libero_atm"
    if "learnable_emb_dino" in keys:
        return "planner_sparse"
    if "encoder.query_token" in keys:
        return "vae"
    raise CheckpointError(f"this is none of the released files ({', '.join(LAYOUTS)}): none of their keys is there")


def layout_of(weights: Mapping[str, Tensor], path: Path) -> str:
    """As detect_layout, and by the file's name where the keys don't tell."""
    name = detect_layout(set(weights))
    dense = name == "planner_sparse" and path.name == Path(LAYOUTS["planner_dense"].file).name
    return "planner_dense" if dense else name


def load_released(
    file_or_directory: str | Path, layout: str | None = None, policy: MakePolicy | None = None
) -> tuple[str, dict[str, nn.Module]]:
    """A released file as our models, in eval mode: (kind, {"vae": ..., "planner": ..., "policy": ...}).

    `layout` is one of LAYOUTS, found by default from the keys, and from the file's name where they don't tell.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"unknown layout '{layout}'; there are {', '.join(LAYOUTS)}")
    weights, path = read_weights(file_or_directory)
    name = layout or layout_of(weights, path)
    parts = LAYOUTS[name].parts(policy)
    from_reference(parts, LAYOUTS[name].prefixes, weights, str(path))
    return name, {part: model.eval() for part, model in parts.items()}
