"""The local AWS: MiniStack and its extensions, in one process."""
