"""Hydra configurations of the commands: config/hydra/<name>.yaml with key=value overrides."""

from __future__ import annotations

import re

from omegaconf import DictConfig

from zipmo_ros.contract.share import share_path


def load(name: str, overrides: list[str]) -> DictConfig:
    """Compose config/hydra/<name>.yaml. With --help among the overrides: print it with its comments and exit.

    Raises ValueError that names the key when an override does not fit.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    folder = share_path("config/hydra").resolve()
    if {"-h", "--help"} & set(overrides):
        print(f"usage: zipmo {name} [key=value ...]\n\n{(folder / f'{name}.yaml').read_text()}")
        raise SystemExit(0)
    overrides = _as_overrides(overrides)
    strange = [text for text in overrides if "=" not in text and not text.startswith("~")]
    if strange:
        raise ValueError(f"'{strange[0]}' is not key=value; see --help")
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            return compose(name, overrides=overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(" ".join(str(error).split("\n")[:2]).strip()) from error


def _as_overrides(words: list[str]) -> list[str]:
    """`--key value` and `--key=value` mean key='value', for those used to options, and for sentences."""
    overrides, rest = [], iter(words)
    for word in rest:
        if word.startswith("--"):
            key, given, value = word[2:].partition("=")
            value = value if given else next(rest, None)
            if value is None:
                raise ValueError(f"{word} needs a value")
            if not re.fullmatch(r"[\w./\[\],-]+", value):  # what Hydra's grammar would trip over
                value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
            word = f"{key}={value}"
        overrides.append(word)
    return overrides
