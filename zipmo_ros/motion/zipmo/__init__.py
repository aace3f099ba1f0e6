"""ZipMo: autoencoder of tracks, flow-matching planner, released layouts and golden cases."""
