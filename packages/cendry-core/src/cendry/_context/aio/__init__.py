"""Contexts, batches and transactions: the async twin, from which the sync one is generated."""
