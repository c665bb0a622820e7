"""A task tracker for many organisations, on Cendry and FastAPI."""
