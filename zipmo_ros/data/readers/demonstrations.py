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
                images = demo.column(schema.IMAGES)
                yield Demonstration(
                    name=demo.name,
                    instruction=demo.language,
                    images={view: images[:, number] for number, view in enumerate(demo.views)},
                    image_steps=demo.steps,
                    proprio=demo.proprio,
                    actions=demo.actions,
                    attributes=demo.attributes,
                )
