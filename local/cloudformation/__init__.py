"""What MiniStack's CloudFormation lacks: resource types, dropped properties, refusals."""
