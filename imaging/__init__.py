"""Building, assembling and pushing the stages' container images."""
