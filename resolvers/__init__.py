"""Sceptre resolvers, one a module."""
