"""What stored documents look like: histograms of their values, and models that fit them. Nothing here is sent."""

from __future__ import annotations

from .histogram import Histogram, Room
from .source import Inferred, is_record, model_source, module_source

__all__ = ["Histogram", "Inferred", "Room", "is_record", "model_source", "module_source"]
