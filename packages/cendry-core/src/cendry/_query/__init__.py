"""Queries: their specs, the compilation to plans, and the methods that run them."""
