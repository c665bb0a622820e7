# Generated from aio/__init__.py by tools/twins.py; do not edit.
"""The ends of queries: the sync twin, which is generated from the async one."""
