"""The copy and the comparison as transforms of Apache Beam, for databases that are too large for one machine.

Needs the extra `beam` of cendry-datastore.
"""

from __future__ import annotations

try:
    import apache_beam  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "apache_beam":
        raise
    raise ModuleNotFoundError(
        "cendry_datastore.migrate.beam needs apache_beam, which is not installed: the extra beam brings it; run "
        '`pip install "cendry-datastore[beam]"`.',
        name="apache_beam",
    ) from None

from .copies import CopyShards
from .proofs import VerifyShards
from .stores import FileSystemStore, open_store

__all__ = ["CopyShards", "FileSystemStore", "VerifyShards", "open_store"]
