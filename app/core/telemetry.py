"""OpenTelemetry, where the operator names a collector: a trace from the request through its statements to its jobs.

The standard variables decide (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and so on). Without
a collector no span is made. FastAPI makes the requests' spans by itself; what it would tell of addresses is made safe
here.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from app.core.errors import Refusal
from app.core.logs import hidden

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
    from sqlalchemy import Engine

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
UNTOLD = ("url.query", "url.full")
"""Attributes of a request that may hold anything, tokens of other sites included."""


class TelemetryMissing(Refusal):
    """A collector is named, and the packages that would speak to it are not installed."""

    status = 500


def is_on() -> bool:
    return any(map(os.environ.get, ENDPOINTS)) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def of_requests() -> TelemetryConfig:
    """For FastAPI: spans of requests where a collector is named; our own log lines and metrics tell the rest."""
    return {"tracing": is_on(), "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


def begin(service: str) -> None:
    """Send this process's spans to the collector, in batches; nothing where none is named. Raises TelemetryMissing."""
    if not is_on():
        return
    if find_spec("opentelemetry.sdk") is None:
        raise TelemetryMissing(
            "The packages for OpenTelemetry are not installed.", ENDPOINTS[0], "Install assay[otel], or leave it unset."
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    begin_with(service, BatchSpanProcessor(OTLPSpanExporter()))


def begin_with(service: str, processor: SpanProcessor) -> None:
    """Give every span to `processor`, made safe."""
    from opentelemetry import trace
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: f"assay-{service}"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(_discreet())
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]


def watch(engine: Engine) -> None:
    """Spans for the engine's statements, without their parameters."""
    if is_on() and find_spec("opentelemetry.instrumentation.sqlalchemy"):
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

        # Its own check knows no SQLAlchemy as new as ours; a test sees that statements arrive.
        SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)


def _discreet() -> SpanProcessor:
    """A processor that takes out of each new span what nobody may read."""
    from opentelemetry.sdk.trace import SpanProcessor

    class Discreet(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            for name, value in dict(span.attributes or {}).items():
                if name in UNTOLD:
                    span.set_attribute(name, "…")
                elif (safe := hidden(value)) != value:
                    span.set_attribute(name, safe)

        def on_end(self, span: ReadableSpan) -> None:
            """Nothing is left to hide."""

    return Discreet()
