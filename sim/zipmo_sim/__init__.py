"""Simulated tabletop manipulation: environments, task suites, scripted experts and demonstrations."""
