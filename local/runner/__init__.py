"""Where tasks run: in a Docker engine, or as processes made from the layers that were pushed."""
