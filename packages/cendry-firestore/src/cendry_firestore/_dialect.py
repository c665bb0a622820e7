"""How Firestore's messages hold values, for core's compiler."""

from __future__ import annotations

from typing import Final

from cendry.codec.dialect import Dialect
from cendry.codec.emit import Module

from . import _sdk
from ._values import DocumentData


def _reference(_: Module, target: str, value: str) -> str:
    return f"{target}.reference_value = f'{{base}}/documents/{{{value}.path}}'"


FIRESTORE: Final = Dialect(name="document", new_document=_sdk.Document, data=DocumentData, reference=_reference)
"""The base of generated code is the name of the database."""
