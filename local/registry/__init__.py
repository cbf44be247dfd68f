"""What MiniStack's registry lacks: its own address, layers on disk, and what ECR says and refuses."""
