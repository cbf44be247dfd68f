"""Sceptre template handlers, one a module."""
