"""Files of sentence vectors, as repositories after ATM keep them: a .npy that holds {sentence: float32 [D]}."""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# All that a pickle of arrays names. A pickle may call whatever it names, so nothing else is looked up.
_NAMES = {
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    "_reconstruct": np.empty(0).__reduce__()[0],
    "_frombuffer": np.empty(1).__reduce_ex__(5)[0],
    "encode": codecs.encode,  # of bytes in the second protocol
}


class _ArraysAlone(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] in ("numpy", "_codecs") and name in _NAMES:
            return _NAMES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")


def stored_vector(path: str | Path, sentence: str) -> Tensor:
    """float32 [D] of a sentence. Raises ValueError for one that the file lacks, or a file that is none of vectors."""
    vectors = _read(str(path))
    if sentence not in vectors:
        raise ValueError(f"{path} has no vector of '{sentence}', only of {len(vectors)} other sentences")
    return vectors[sentence]


def unknown_sentences(path: str | Path, sentences: Iterable[str]) -> list[str]:
    """Those that the file lacks, in order. Raises ValueError for a file that is none of vectors."""
    return sorted(set(sentences) - set(_read(str(path))))


@lru_cache(4)
def _read(path: str) -> dict[str, Tensor]:
    try:
        with Path(path).open("rb") as stream:
            _HEADERS[npy.read_magic(stream)](stream)
            held = _ArraysAlone(stream).load().item()
        vectors = {str(sentence): torch.tensor(vector, dtype=torch.float32) for sentence, vector in held.items()}
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} is no file of sentence vectors, a .npy of {{sentence: float32 [D]}}: {error}"
        ) from error
    shapes = {tuple(vector.shape) for vector in vectors.values()}
    if len(shapes) != 1 or len(*shapes) != 1:
        raise ValueError(f"{path} must hold vectors of one length, by sentence, and has {sorted(shapes)}")
    return vectors
