"""Proof that nothing is lost and nothing is done twice: faults, restarts and incidents."""
