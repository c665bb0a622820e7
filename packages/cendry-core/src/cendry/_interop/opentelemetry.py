"""Spans and durations of operations by OpenTelemetry, where its API is installed.

Names follow its semantic conventions for databases: https://opentelemetry.io/docs/specs/semconv/db/. Nothing here
takes an id, a path, a value or the message of an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from time import perf_counter
from typing import Any, Final, Protocol, cast

from .._lazy import installed_version

SCOPE: Final = "cendry"
"""The name of the instrumentation scope."""

_SCHEMA: Final = "https://opentelemetry.io/schemas/1.36.0"
_API: Final = "opentelemetry.trace"
_VARIABLES: Final = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER")
"""Variables that name providers, which OpenTelemetry's API then loads by itself."""

_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Seconds, as the conventions advise."""

Attributes = Mapping[str, "str | int"]


class SupportsTracer(Protocol):
    """A `TracerProvider` of OpenTelemetry; if it has `get_meter` as well, it is also asked for the meter."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        """Return a tracer."""
        ...


class Telemetry:
    """Makes spans and measures durations, by the given providers or the global ones.

    By default, OpenTelemetry is not imported before the program has imported it: until then, there is no provider.

    Args:
        given: `True` or `None` for the global providers; or a provider.

    Raises:
        ImportError: `True`, or a provider, was given, and opentelemetry-api is not installed.
        TypeError: It is none of these.
    """

    __slots__ = ("_context", "_given", "_histogram", "_is_configured", "_is_set", "_trace", "_tracer")

    def __init__(self, given: object) -> None:
        if given is not None and given is not True and not hasattr(given, "get_tracer"):
            raise TypeError(f"telemetry= takes True, False, None or a TracerProvider of OpenTelemetry, not {given!r}.")
        self._given: Any = None if given is True else given
        self._tracer: Any = None
        self._is_configured = self._given is not None
        if given is not None:
            try:
                self._load()
            except ImportError as error:
                raise ImportError(
                    "telemetry= needs OpenTelemetry's API: pip install opentelemetry-api. Without telemetry=, it is "
                    "used only if it is installed."
                ) from error
        elif any(name in os.environ for name in _VARIABLES):
            try:
                self._load()
            except ImportError:
                # The variables may be meant for other programs.
                pass

    def _load(self) -> None:
        self._trace = trace = import_module(_API)
        metrics = import_module("opentelemetry.metrics")
        self._context = import_module("opentelemetry.context")
        given, version = self._given, installed_version("cendry-core")
        get_meter: Any = getattr(given, "get_meter", metrics.get_meter)
        self._histogram = _histogram(get_meter(SCOPE, version, schema_url=_SCHEMA))
        get_tracer = trace.get_tracer if given is None else given.get_tracer
        self._is_set = _setting(trace, metrics)
        self._tracer = get_tracer(SCOPE, version, schema_url=_SCHEMA)

    def is_on(self) -> bool:
        """Whether there may be a provider that takes anything."""
        if self._is_configured:
            return True
        if self._tracer is None:
            if modules.get(_API) is None:
                return False
            self._load()
        # Once set, a global provider stays.
        self._is_configured = self._is_set()
        return self._is_configured

    def start(
        self, operation: str, target: str | None, attributes: Attributes, more: Attributes, whole: Span | None
    ) -> Span:
        """Start a span, as a child of the current one.

        Args:
            operation: The name of the operation.
            target: What it is for: a collection, or a database.
            attributes: The attributes of the span and of its duration.
            more: More attributes of the span.
            whole: The span of which it is a part. It is the parent where the current span is that around it, as in
                another thread than it was entered in.
        """
        parent = self._trace.get_current_span()
        span = self._tracer.start_span(
            operation if target is None else f"{operation} {target}",
            whole.entered if whole is not None and whole.parent is parent else None,
            kind=self._trace.SpanKind.CLIENT,
            attributes={**attributes, **more} if more else attributes,
        )
        return Span(self._trace, self._context, self._histogram, span, parent, attributes)


class Span:
    """An operation under way.

    Attributes:
        parent: The span that was the current one.
        entered: The context with this span; `None` for that of a provider that makes none.
    """

    __slots__ = ("_attributes", "_began", "_context", "_histogram", "_previous", "_span", "_trace", "entered", "parent")

    def __init__(
        self, trace: Any, context: Any, histogram: Any, span: Any, parent: Any, attributes: Attributes
    ) -> None:
        self._trace = trace
        self._context = context
        self._histogram = histogram
        self._span = span
        self._attributes = attributes
        self._previous: Any = None
        self.parent = parent
        self.entered = trace.set_span_in_context(span) if span.get_span_context().is_valid else None
        self._began = perf_counter()

    def enter(self) -> None:
        """Make this the current span of the thread or task."""
        if self.entered is not None:
            self._previous = self._context.get_current()
            self._context.attach(self.entered)

    def leave(self) -> None:
        """Make that span current again which was before.

        A block may end in another thread or task than it began in, where this span is not current.
        """
        if self.entered is not None and self._trace.get_current_span() is self._span:
            # Not detach(): its token is only good in the context that it comes from.
            self._context.attach(self._previous)
        self._previous = None

    def event(self, name: str, attributes: Attributes) -> None:
        """Add an event."""
        self._span.add_event(name, attributes)

    def end(self, error: BaseException | None, attributes: Attributes) -> None:
        """End it, and measure how long it took.

        Args:
            error: The error that it ended with, of which only the class and the status are recorded.
            attributes: More attributes of the span.
        """
        seconds = perf_counter() - self._began
        span, measured = self._span, self._attributes
        if attributes:
            span.set_attributes(attributes)
        if error is not None:
            described = error_attributes(error)
            measured = {**measured, **described}
            span.set_attributes(described)
            span.add_event("exception", {"exception.type": _full_name(type(error))})
            # Messages of errors can hold values.
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, described["error.type"]))
        self._histogram.record(seconds, measured, self.entered)
        span.end()


def error_attributes(error: BaseException) -> dict[str, str]:
    """The attributes of an error: its class, and the status that the database answered with, if any."""
    found = {"error.type": type(error).__qualname__}
    for each in (error, error.__cause__):
        status = getattr(each, "grpc_status_code", None)
        if status is not None:
            found["db.response.status_code"] = status.name
            break
    return found


def _full_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _setting(trace: Any, metrics: Any) -> Callable[[], bool]:
    """A function that returns whether a global provider is set, which every operation asks."""

    def ask() -> bool:
        return not (
            isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
            and type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider"
        )

    # Providers that environment variables name are set by the first question.
    if ask():
        return lambda: True
    inner = modules.get("opentelemetry.metrics._internal")
    if hasattr(trace, "_TRACER_PROVIDER") and hasattr(inner, "_METER_PROVIDER"):
        # Asking takes several times as long, as it looks into the environment each time.
        return lambda: trace._TRACER_PROVIDER is not None or cast("Any", inner)._METER_PROVIDER is not None
    return ask


def _histogram(meter: Any) -> Any:
    name, unit = "db.client.operation.duration", "s"
    description = "Duration of database client operations."
    try:
        return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=_BUCKETS)
    except TypeError:
        # Before version 1.30, an API has no such advice.
        return meter.create_histogram(name, unit, description)
