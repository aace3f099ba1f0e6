"""The stages of training: each owns a model, its batches, its loss, its validation and its checkpoint."""
