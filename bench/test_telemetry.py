"""What being observable costs: without telemetry, where nobody listens, and with spans that go nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from cendry import Cendry, MemoryBackend
from cendry.codec import codec_for
from codec_model import DATA, City
from figures import Figures, best
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider
from timing import medians

BUDGET = 1.0
"""Percent."""
CALLS = 200


def of(ctx: Cendry) -> Cendry:
    """The context, with a document to read."""
    ctx.save(codec_for(City).decode(DATA, "c1"))
    return ctx


def read(ctx: Cendry) -> None:
    for _ in range(CALLS):
        ctx.get(City, "c1")


def test_an_operation_that_nobody_observes(project: str, figures: Figures) -> None:
    off = of(Cendry(backend=MemoryBackend(), telemetry=False))
    # The module is imported here, and there is no provider.
    on = of(Cendry(backend=MemoryBackend()))
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    *asked, in_memory = best(
        off._sender.observer.is_idle, on._sender.observer.is_idle, lambda: off.get(City, "c1"), calls=CALLS
    )
    with Cendry(project=project, telemetry=False) as ctx:
        of(ctx)
        firestore = medians(get=lambda: read(ctx))["get"].cpu / CALLS
    for what, seconds in zip(("telemetry=False", "telemetry without a provider"), asked, strict=True):
        for kind, get, budget in (("Firestore", firestore, BUDGET), ("memory", in_memory, None)):
            figures(
                f"{kind}: what {what} adds to ctx.get(City, id), in CPU",
                100 * seconds / get,
                unit="%",
                budget=budget,
                detail=f"{1e9 * seconds:.0f} ns of {1e6 * get:.1f} us",
            )


@pytest.mark.parametrize("provider", [NoOpTracerProvider(), TracerProvider()], ids=["no-op", "SDK"])
def test_an_operation_with_a_span_that_goes_nowhere(provider: Any, figures: Figures) -> None:
    off = of(Cendry(backend=MemoryBackend(), telemetry=False))
    on = of(Cendry(backend=MemoryBackend(), telemetry=provider))
    with_spans, without = best(lambda: on.get(City, "c1"), lambda: off.get(City, "c1"), calls=CALLS)
    name = f"memory: ctx.get(City, id) with a {type(provider).__name__} / without telemetry"
    figures(name, with_spans / without, detail=f"{1e6 * with_spans:.1f} us and {1e6 * without:.1f} us")


def test_a_read_from_firestore_with_a_no_op_provider(project: str, figures: Figures) -> None:
    with Cendry(project=project, telemetry=False) as off, Cendry(project=project, telemetry=NoOpTracerProvider()) as on:
        of(off)
        found = medians(on=lambda: read(on), off=lambda: read(off))
    figures(
        "ctx.get(City, id) with a NoOpTracerProvider / without telemetry: CPU",
        found["on"].cpu / found["off"].cpu,
        detail=f"{1e6 * found['on'].cpu / CALLS:.0f} us and {1e6 * found['off'].cpu / CALLS:.0f} us",
    )
