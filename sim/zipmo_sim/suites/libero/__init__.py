"""LIBERO: its suites, and what their scenes are made of."""
