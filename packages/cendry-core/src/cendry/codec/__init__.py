"""Codecs: from instances to stored data and back, compiled once per class and registry."""

from __future__ import annotations

from .compiler import Codec, codec_for, source_of
from .resolve import ResolvedField

__all__ = ["Codec", "ResolvedField", "codec_for", "source_of"]
