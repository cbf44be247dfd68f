"""The local AWS: MiniStack in one process, with what it lacks of the services this project uses."""
