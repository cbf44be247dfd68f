"""What MiniStack's registry lacks: its own address, layers on disk, ECR's answers and refusals."""
