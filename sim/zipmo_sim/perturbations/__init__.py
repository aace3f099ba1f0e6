"""What may be otherwise than in training: view, light, surface, things, images, and what happens in an episode.

`kinds.py` lists them. Each is a function of a `Draw` that changes the model before it is compiled (a `Draft`), or the
scene, or images. Nothing here knows a suite: what has to be known of a scene, its `Perturbable` says.
"""
