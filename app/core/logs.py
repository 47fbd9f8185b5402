"""Log lines: one shape for ours and for the libraries', as text for a terminal or as JSON for machines; no secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from opentelemetry import trace
from starlette.types import Scope

from app.core.settings import settings

HIDDEN = "…"
_SECRET_NAMES = re.compile(r"(^|_)(passwords?|secret|token|authorization|cookies?|api_?key|credentials?)$", re.I)
_SECRET_TEXTS = [
    (re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), HIDDEN),  # https://name:password@host
    (re.compile(r"(/password-links/)[^/\s\"'?]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic) +\S+", re.I), rf"\1 {HIDDEN}"),
    (re.compile(r"((?:password|secret|api_?key|cookie)[\"']?\s*[:=]\s*[\"']?)[^\s\"',&}]+", re.I), rf"\1{HIDDEN}"),
]
QUIET = ("/healthz", "/readyz", "/metrics", "/static")
"""Asked every few seconds by machines, or many times a page: they would drown the others."""

Event = MutableMapping[str, Any]


def configure(service: str) -> None:
    """Say how this process logs; `service` (web, worker, beat) stands in each line. Calling it again is harmless."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _naming(service),
        add_trace,
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer()]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    _give_to_all(handler)


def _give_to_all(handler: logging.Handler) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("app").setLevel(logging.INFO)
    logging.getLogger("worker").setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error"):  # the server brought handlers of its own
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.access").disabled = True  # ours says more, and no secrets


def _renderer() -> Any:
    if settings().log_format == "json":
        return structlog.processors.JSONRenderer(_dumps)
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _dumps(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode(errors="replace")


def _naming(service: str) -> Any:
    def name(_logger: Any, _method: str, event: Event) -> Event:
        event.setdefault("service", service)
        return event

    return name


def add_trace(_logger: Any, _method: str, event: Event) -> Event:
    """The trace that this line belongs to, where one is recorded, so that lines and traces find each other."""
    found = trace.get_current_span().get_span_context()
    if found.is_valid:
        event["trace"] = trace.format_trace_id(found.trace_id)
    return event


def hide_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Values under telling names, passwords inside addresses, links that open an account, tokens in headers."""
    return {key: HIDDEN if _SECRET_NAMES.search(str(key)) and value else hidden(value) for key, value in event.items()}


def hidden(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, instead in _SECRET_TEXTS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, dict):
        return hide_secrets(None, "", value)
    if isinstance(value, list | tuple):
        return [hidden(each) for each in value]
    return value


def tell_of_request(scope: Scope, route: str, status: int, seconds: float) -> None:
    """One line for an answered request, where ACCESS_LOG asks for it; its query is left out, it may hold anything."""
    path = scope["path"]
    if path.startswith(QUIET):
        return
    user = getattr(scope.get("state", {}).get("user"), "id", None)
    _access.info(
        "answered",
        method=scope["method"],
        path=path,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        user=user,
        address=(scope.get("client") or ("",))[0],
    )


_access = structlog.get_logger("app.access")
