"""Contexts: the one door to a database, in two twins over one set of flows."""
