"""Faults brought about while an arm moves: which there are, what must come of each, and what came."""
