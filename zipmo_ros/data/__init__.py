"""Demonstrations: the format of their files, its writer and readers, and the windows that training takes of them."""
