"""Application Auto Scaling: the API, and what changes services' desired counts."""
