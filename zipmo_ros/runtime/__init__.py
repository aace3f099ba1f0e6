"""Receding horizon, commands, latency and staleness: numpy and an injected clock."""
