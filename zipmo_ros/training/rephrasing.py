"""Other words for the sentences of demonstrations, so that a model learns what is meant and not how it was put."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from string import Formatter

import yaml


class Rephrasing:
    """Templates of sentences with the same meaning; see config/rephrasings.yaml for the format."""

    def __init__(self, families: list[dict]):
        self._families = [(_pattern(family["match"]), family) for family in families]

    @classmethod
    def load(cls, path: str | Path) -> Rephrasing:
        """From a YAML file. Raises FileNotFoundError or ValueError that names it."""
        try:
            families = yaml.safe_load(Path(path).read_text())
            return cls(families)
        except (TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
            raise ValueError(f"{path} is no list of {{match, say, words}}: {error!r}") from error

    def variants(self, sentence: str) -> list[str]:
        """The sentence first, then others that mean the same, without repetition, in a fixed order."""
        found = [sentence]
        for pattern, family in self._families:
            if match := pattern.fullmatch(sentence):
                words = family.get("words", {})
                choices = [[(name, word) for word in words.get(value, [value])]
                           for name, value in match.groupdict().items()]  # fmt: skip
                found += [
                    template.format(**dict(chosen))
                    for template in family["say"]
                    for chosen in itertools.product(*choices)
                ]
        return list(dict.fromkeys(found))


def _pattern(template: str) -> re.Pattern:
    parts = Formatter().parse(template)
    return re.compile("".join(re.escape(text) + (f"(?P<{name}>.+?)" if name else "") for text, name, _, _ in parts))
