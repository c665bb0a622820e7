"""Contexts: connections to a database, as a sync and an async twin."""
