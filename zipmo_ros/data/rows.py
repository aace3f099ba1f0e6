"""Rows of large arrays that stay on disk until they are asked for."""

from __future__ import annotations

import errno
import fcntl
import itertools
import logging
import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)


class Part(Protocol):
    """Some rows in a row."""

    def __len__(self) -> int: ...

    def read(self, row: int, into: np.ndarray) -> None:
        """Fill `into` with one row."""
        ...


class Rows:
    """What a tensor [W, ...] gives for an index, read from disk at that moment: `rows[indices]`, `rows[row, view]`, ...

    parts: where the rows lie, one part after another. shape: of a row. Memory is what the index asks for.
    """

    def __init__(self, parts: Sequence[Part], shape: Sequence[int], dtype: str) -> None:
        self._parts, self._dtype = parts, np.dtype(dtype)
        self._starts = [0, *itertools.accumulate(map(len, parts))]
        self._numbers = torch.arange(self._starts[-1])
        self.shape = torch.Size([len(self._numbers), *shape])
        self.dtype = torch.from_numpy(np.empty(0, self._dtype)).dtype

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> Tensor:
        first, *rest = index if isinstance(index, tuple) else (index,)
        wanted = self._numbers[first]
        values = np.empty((wanted.numel(), *self.shape[1:]), self._dtype)
        for row, into in zip(wanted.flatten().tolist(), values, strict=True):
            number = bisect_right(self._starts, row) - 1
            self._parts[number].read(row - self._starts[number], into)
        values = values.reshape(*wanted.shape, *self.shape[1:])
        if not rest:
            return torch.from_numpy(values)
        # An index of rows pairs with one of views, a slice of rows does not, and a single row is gone.
        paired = np.arange(len(values)) if isinstance(first, Tensor) and wanted.ndim else slice(None)
        lead = (paired,) if wanted.ndim else ()
        rest = [part.numpy() if isinstance(part, Tensor) else part for part in rest]
        return torch.from_numpy(np.asarray(values[(*lead, *rest)]))


@dataclass(frozen=True)
class UnpackedPart:
    """Rows of a .npy file. They are read and not mapped: pages of a map would count as memory of this process."""

    path: Path
    offset: int
    length: int

    @classmethod
    def open(cls, path: Path) -> UnpackedPart:
        mapped = np.load(path, mmap_mode="r")
        return cls(path, mapped.offset, len(mapped))

    def __len__(self) -> int:
        return self.length

    def read(self, row: int, into: np.ndarray) -> None:
        """See Part. Raises OSError for a file that has been cut off."""
        handle = os.open(self.path, os.O_RDONLY)  # thousands of files may belong to the data: none is kept open
        try:
            if os.preadv(handle, [into], self.offset + row * into.nbytes) != into.nbytes:
                raise OSError(f"{self.path} ends before row {row}")
        finally:
            os.close(handle)


def unpack(path: Path, shape: tuple[int, ...], dtype: str, blocks: Iterable[np.ndarray]) -> UnpackedPart:
    """`path`, a .npy file of the blocks one after another, which are read only where it does not exist yet.

    It appears complete or not at all, and two processes that want the same file write it once. Raises ValueError when
    the disk is full.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.parent / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _write(path, shape, np.dtype(dtype), blocks)
    return UnpackedPart.open(path)


def _write(path: Path, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]) -> None:
    size = int(np.prod(shape)) * dtype.itemsize
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    logger.info("unpacking %s, %.0f MB", path, size / 1e6)
    partial = path.with_suffix(".partial")
    try:
        with open(partial, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            file.flush()
            os.posix_fallocate(file.fileno(), file.tell(), size)  # a full disk says so now, not hours later
            for block in blocks:
                file.write(np.ascontiguousarray(block).data)
            file.flush()
            os.fsync(file.fileno())  # its name must not outlive its contents in a power cut
        os.replace(partial, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ValueError(
            f"no room in {path.parent} for {size / 1e9:.2f} GB of unpacked demonstrations: remove what is old there, "
            "or name another folder with cache="
        ) from error
    finally:
        partial.unlink(missing_ok=True)
