"""What MiniStack's EventBridge lacks."""
