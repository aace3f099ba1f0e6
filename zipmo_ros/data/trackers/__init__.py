"""Trackers of points (contract.protocols.Tracker)."""
