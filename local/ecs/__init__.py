"""What MiniStack's ECS lacks of Fargate."""
