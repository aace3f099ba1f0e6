"""Evaluation protocols: what is fixed so that figures may stand beside each other; a file each in config/protocols."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from zipmo_ros.contract.share import share_path
from zipmo_sim.suites import suite_entry

OWN = "zipmo"  # of which what differs is told by `summarise`


@dataclass(frozen=True)
class EvaluationProtocol:
    """about: whose it is. libero: whether it is for LIBERO's suites alone. fixes: keys of `zipmo eval` and their
    values, a mapping being by suite. otherwise: what is not as its owners have it, whatever is asked for.
    published: success in %, by suite, that its owners tell.
    """

    name: str
    about: str
    libero: bool
    fixes: dict[str, Any]
    otherwise: tuple[str, ...]
    published: dict[str, float]

    @classmethod
    def load(cls, name: str) -> EvaluationProtocol:
        """Raises ValueError, naming those there are, for one that there is not."""
        folder = share_path("config/protocols")
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        if name not in known:
            raise ValueError(f"protocol must be one of {', '.join(known)}, got '{name}'")
        content = yaml.safe_load((folder / f"{name}.yaml").read_text())
        return cls(name=name, **content | {"otherwise": tuple(content["otherwise"])})

    def keys(self, suite: str) -> dict[str, Any]:
        """What it fixes of an evaluation of the suite. Raises ValueError for a suite that it says nothing of."""
        entry = suite_entry(suite)
        if self.libero and not entry.libero:
            raise ValueError(f"protocol={self.name} is for the suites of LIBERO, not for {suite}")
        fixed = {}
        for key, value in self.fixes.items():
            if isinstance(value, dict):
                of = entry.base or suite
                if of not in value:
                    known = ", ".join(value)
                    raise ValueError(f"protocol={self.name} does not say the {key} of {suite}, only of {known}")
                value = value[of]
            fixed[key] = value
        return fixed

    def told(self, suite: str, settings: Mapping[str, Any]) -> str:
        """Its name for a score on the suite, with what the settings (keys of `zipmo eval`) have otherwise."""
        fixed = self.keys(suite)
        differing = [f"{key}={'null' if settings[key] is None else settings[key]}"
                     for key in fixed if settings[key] != fixed[key]]  # fmt: skip
        return "-".join([f"{self.name}-{suite}-v1", *differing])

    @property
    def hash(self) -> str:
        """Hex SHA-256 of what it says."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
