"""The async twin, from which the sync one is generated."""
