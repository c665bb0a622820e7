# Generated from aio/__init__.py by tools/twins.py; do not edit.
"""The sync twin, which is generated from the async one."""
