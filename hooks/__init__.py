"""Sceptre hooks, one a module."""
