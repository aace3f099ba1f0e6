"""Formats of demonstrations, each as a Reader of the contract."""
