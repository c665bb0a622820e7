"""What stored documents look like: histograms of their values, and models that fit them. Nothing here is sent."""

from __future__ import annotations

from .histogram import Histogram
from .source import model_source

__all__ = ["Histogram", "model_source"]
