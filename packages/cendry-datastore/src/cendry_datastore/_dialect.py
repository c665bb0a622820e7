"""How Datastore's messages hold values, for core's compiler."""

from __future__ import annotations

from typing import Final

from cendry.codec.dialect import Dialect
from cendry.codec.emit import Module
from cendry.codec.reading import Reading

from . import _sdk
from ._keys import fill_reference
from ._unsupported import PARTS
from ._values import EntityData


def _reference(module: Module, target: str, value: str) -> str:
    return f"{module.known('fill_reference', fill_reference)}({target}.key_value, {value}, base)"


DATASTORE: Final = Dialect(
    name="entity",
    new_document=_sdk.Entity,
    data=EntityData,
    reference=_reference,
    reading=Reading(parts=PARTS),
)
"""The base of generated code is the partition."""
