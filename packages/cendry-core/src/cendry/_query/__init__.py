"""Queries: what one says, how it becomes a plan, and each of its ends."""
