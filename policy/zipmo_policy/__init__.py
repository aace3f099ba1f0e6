"""Inverse dynamics: from motion embeddings to actions, and how everything is trained."""
