"""The stages of motion models."""
