"""What the templates share: their parts, and the policies that they write."""
