"""Our own files (data/schema.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zipmo_ros.contract.protocols import Demonstration
from zipmo_ros.data import schema
from zipmo_ros.data.stored import demonstration_files, read_demos


class DemonstrationReader:
    """A Reader (contract.protocols) of `*_demo.hdf5`."""

    def episodes(self, folder: Path) -> Iterator[Demonstration]:
        """File by file, in the order of their names and numbers; the images of one episode at a time are in memory.

        Raises FileNotFoundError where there is no file, ValueError naming one that breaks the format.
        """
        for path in demonstration_files(Path(folder)):
            for demo in read_demos(path):
                images = dict(zip(demo.views, demo.column(schema.IMAGES).swapaxes(0, 1), strict=True))
                parts = (images, demo.steps, demo.proprio, demo.actions, demo.attributes)
                yield Demonstration(demo.name, demo.language, *parts)
