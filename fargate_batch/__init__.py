"""What templates, hooks, resolvers and the operator's commands share."""
