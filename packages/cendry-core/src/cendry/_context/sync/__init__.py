# Generated from aio/__init__.py by tools/twins.py; do not edit.
"""Contexts, batches and transactions: the sync twin, which is generated from the async one."""
