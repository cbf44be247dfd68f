"""Measurements against limits, run by `make bench`."""
