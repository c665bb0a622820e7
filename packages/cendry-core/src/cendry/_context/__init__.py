"""Contexts: connections to a database, in two twins."""
