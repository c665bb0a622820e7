"""The ends of queries: the async twin, from which the sync one is generated."""
