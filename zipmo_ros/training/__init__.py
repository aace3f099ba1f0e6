"""The training loop, and the stages of motion models."""
