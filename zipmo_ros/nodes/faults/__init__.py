"""Faults over the wire: arms and models that stand in, wires that can be tampered with, and what is done to them."""
