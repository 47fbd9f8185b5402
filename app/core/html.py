"""Pages: one Jinja environment, Markdown that is safe to show, and the one handler that says what went wrong."""

from __future__ import annotations

import datetime as dt
import errno
from functools import cache
from pathlib import Path
from typing import Any

import nh3
import structlog
from babel import dates, numbers
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException

from app.core import bundles, language
from app.core.errors import DatabaseAway, DiskFull, NotFound, NotSignedIn, NumberTooLarge, Refusal, TooLarge
from app.core.faults import sentence

log = structlog.get_logger()
ROOT = Path(__file__).resolve().parents[2]
TAGS = set(nh3.ALLOWED_TAGS) | {"eq", "eqn"}


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    # Maths is left as text in a span of class "math"; the page's KaTeX draws it in the browser.
    return parser.use(dollarmath_plugin, renderer=_math, allow_labels=False)


def _math(content: str, options: dict[str, Any]) -> str:
    display = " display" if options.get("display_mode") else ""
    return f'<span class="math{display}">{Markup.escape(content)}</span>'


def markdown(text: str) -> Markup:
    """Markdown with tables and $maths$ as HTML that cannot run anything (cleaned by nh3)."""
    html = nh3.clean(
        _markdown().render(text),
        tags=TAGS - {"img"},
        attributes={"a": {"href", "title"}, "span": {"class"}, "div": {"class"}, "code": {"class"}, "th": {"align"}},
        url_schemes={"http", "https", "mailto"},
    )
    return Markup(html)


def plain_number(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    return numbers.format_decimal(value, f"#,##0.{'0' * digits}", locale=language.formats())


def iso(value: dt.datetime | None) -> str:
    return "" if value is None else value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def date(value: dt.datetime | None) -> str:
    """A moment in the reader's language, in UTC and without saying so; `ui.time` does both."""
    if value is None:
        return "–"
    pattern = {"en": "d MMM yyyy, HH:mm", "zh-CN": "yyyy年M月d日 HH:mm"}[language.language()]
    return dates.format_datetime(value, pattern, dates.UTC, locale=language.formats())


def day(value: dt.date) -> str:
    """A day in the reader's language."""
    pattern = {"en": "d MMM yyyy", "zh-CN": "yyyy年M月d日"}[language.language()]
    return dates.format_date(value, pattern, locale=language.formats())


def filesize(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@cache
def templates() -> Jinja2Templates:
    env = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.policies["ext.i18n.trimmed"] = True
    env.filters.update(markdown=markdown, number=plain_number, iso=iso, filesize=filesize)
    env.filters.update(date=date, day=day, told=language.told)
    env.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's own switch: values go in by name
    env.globals.update(asset=asset, bundle=bundles.address, language=language.language, languages=language.LANGUAGES)
    env.globals.update(_=_said, gettext=_said, ngettext=_many, pgettext=_said_of)
    env.globals.update(script_words=language.script_words_address)
    return Jinja2Templates(env=env)


def _safe(values: dict[str, Any]) -> dict[str, Any]:
    return {name: Markup.escape(value) for name, value in values.items()}


# The sentences of templates may hold markup of their own; what is filled into them may not. For a word that comes out
# of a variable there is the filter `told`, whose result is escaped like any other text.
def _said(message: str, **values: Any) -> Markup:
    return Markup(language.gettext(message, **_safe(values)))


def _many(one: str, many: str, num: int, **values: Any) -> Markup:
    values.pop("num", None)
    return Markup(language.ngettext(one, many, num, **_safe(values)))


def _said_of(context: str, message: str, **values: Any) -> Markup:
    return Markup(language.pgettext(context, message, **_safe(values)))


@cache
def asset(path: str) -> str:
    """The address of a static file, with its modification time so that browsers may keep it for ever."""
    return f"/static/{path}?v={int((ROOT / 'static' / path).stat().st_mtime)}"


def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Render a template; the signed-in user, how many notices they have not read, and the project come from the
    guards by `request.state`."""
    state = request.state
    common: dict[str, Any] = {
        "user": getattr(state, "user", None),
        "unread": getattr(state, "unread", None) or 0,
        "project": getattr(state, "project", None),
        "roles": getattr(state, "roles", frozenset()),
        "theme": request.cookies.get("theme", "auto"),
    }
    return templates().TemplateResponse(request, template, {**common, **context}, status_code=status)


def redirect(url: str) -> RedirectResponse:
    """303: the answer to a form that did its work."""
    return RedirectResponse(url, status_code=303)


def here(next: str) -> str:
    """A path of this site: never another site's address."""
    return next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"


def wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or ("application/json" in accept and "text/html" not in accept)


def answer_refusal(request: Request, refusal: Refusal) -> Response:
    if wants_json(request):
        return JSONResponse(refusal.as_json(), refusal.status)
    if request.headers.get("hx-request"):
        return page(request, "_error.html", refusal.status, error=refusal)
    if isinstance(refusal, NotSignedIn):
        return redirect(f"{refusal.page}?next={request.url.path}" if request.method == "GET" else refusal.page)
    return page(request, "error.html", refusal.status, error=refusal)


class Unreadable(Refusal):
    """The request's fields do not have the shape that the verb needs."""

    status = 422


def _from_validation(problem: RequestValidationError) -> Unreadable:
    first = problem.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return Unreadable(sentence(first), where)


def too_large() -> TooLarge:
    return TooLarge(language.gettext("The request is larger than this address takes."), "Content-Length")


def _from_status(problem: HTTPException) -> Refusal:
    if problem.status_code == TooLarge.status:
        return too_large()
    nowhere = problem.status_code == 404
    refusal = NotFound(language.gettext("There is no page at this address.")) if nowhere else Refusal(problem.detail)
    refusal.status = problem.status_code
    return refusal


def _from_system(problem: Exception) -> Refusal:
    """What goes wrong around us has a name too. Raises the problem itself where it is none of these."""
    full = getattr(problem, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
    if full or getattr(getattr(problem, "orig", None), "sqlstate", None) == "53100":
        return DiskFull(language.gettext("The disk is full."), "storage" if full else "database")
    if getattr(getattr(problem, "orig", None), "sqlstate", None) == "22003":
        return NumberTooLarge(language.gettext("A number is larger than any that is kept here."), "number")
    if isinstance(problem, DataError) and "cannot contain NUL" in str(problem.orig):
        return Unreadable(language.gettext("The text holds a NUL character."), "text")
    if isinstance(problem, OSError | DataError):
        raise problem
    log.error("the database is away", problem=str(problem)[:500])
    return DatabaseAway(language.gettext("The database does not answer."), "database")


def install_error_pages(site: FastAPI) -> None:
    for system in (OSError, OperationalError, DataError):
        site.add_exception_handler(system, lambda request, problem: answer_refusal(request, _from_system(problem)))
    site.add_exception_handler(Refusal, lambda request, problem: answer_refusal(request, problem))  # type: ignore[arg-type]
    site.add_exception_handler(
        RequestValidationError,
        lambda request, problem: answer_refusal(request, _from_validation(problem)),  # type: ignore[arg-type]
    )
    site.add_exception_handler(
        HTTPException,
        lambda request, problem: answer_refusal(request, _from_status(problem)),  # type: ignore[arg-type]
    )
