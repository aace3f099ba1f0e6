"""Meshes with fewer faces, for pictures alone: the vertices in each small cube are drawn as one.

Of 300,000 faces that a scene of LIBERO draws into 128 x 128 pixels, most are smaller than a pixel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_FACES = ("mesh_face", "mesh_facenormal", "mesh_facetexcoord")


@contextmanager
def coarse_meshes(model: Any, edge: float) -> Iterator[None]:
    """Merge the vertices of the raw mujoco.MjModel's meshes in cubes of `edge` m (0: none) for as long as this lasts.

    A renderer that is made meanwhile keeps what it saw. Physics has no part in it: it knows meshes by their hulls.
    """
    before = {name: getattr(model, name).copy() for name in (*_FACES, "mesh_facenum")}
    try:
        for mesh in range(model.nmesh) if edge else ():
            _merge(model, mesh, edge)
        yield
    finally:
        for name, values in before.items():
            getattr(model, name)[:] = values


def _merge(model: Any, mesh: int, edge: float) -> None:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    begin, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    cube = np.floor(model.mesh_vert[first : first + count] / edge).astype(np.int64)
    cube -= cube.min(axis=0)
    _, chosen, which = np.unique(np.ravel_multi_index(cube.T, cube.max(axis=0) + 1), True, True)
    merged = chosen[which][model.mesh_face[begin : begin + faces]]
    kept = np.flatnonzero((merged != np.roll(merged, 1, axis=1)).all(axis=1))
    _, once = np.unique(np.sort(merged[kept], axis=1), axis=0, return_index=True)
    kept = kept[np.sort(once)]
    if not len(kept):  # smaller than a cube
        return
    stored = slice(begin, begin + len(kept))
    for name in _FACES[1:]:
        getattr(model, name)[stored] = getattr(model, name)[begin + kept]
    model.mesh_face[stored] = merged[kept]
    model.mesh_facenum[mesh] = len(kept)
