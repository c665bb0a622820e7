"""What stored documents look like: histograms, misfits, and models that fit documents. Nothing here is sent."""

from __future__ import annotations

from .histogram import Histogram, Room
from .misfits import Misfits, found_on_reads
from .source import Inferred, is_record, model_source, module_source

__all__ = ["Histogram", "Inferred", "Misfits", "Room", "found_on_reads", "is_record", "model_source", "module_source"]
