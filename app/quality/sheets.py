"""Tables of this room as CSV, for those who go on computing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi.responses import Response

from app.quality.agreement import Figure
from app.quality.charts import Winner
from app.quality.leanings import Mean
from app.quality.people import Person
from app.quality.progress import Forecast
from app.quality.queries import Part as Progress
from app.quality.reports import Change, Named, Part

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def sheet(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A CSV file. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value.startswith(FORMULAS):
        return "'" + value
    return "" if value is None else value


FIGURE = ("measure", "sign", "value", "low", "high", "units", "unit", "samples", "people", "why undefined")


def of_figure(named: Named) -> list[Any]:
    each = named.figure
    return [
        named.name,
        named.sign,
        each.value,
        each.low,
        each.high,
        each.units,
        named.counted,
        each.samples,
        each.people,
        each.why,
    ]


def agreement(figures: list[Named], parts: list[Part]) -> Response:
    """The whole project first, then its parts."""
    rows = [["all", *of_figure(each)] for each in figures]
    rows += [[part.name, *of_figure(each)] for part in parts for each in part.figures]
    return sheet("agreement", ("part", *FIGURE), rows)


def matrix(cells: dict[tuple[int, int], Figure], names: dict[int, str]) -> Response:
    rows = [
        (names.get(one, one), names.get(other, other), each.value, each.units, each.samples, each.why)
        for (one, other), each in cells.items()
    ]
    return sheet("annotators-by-annotators", ("one", "other", "value", "units", "samples", "why undefined"), rows)


PERSON = (
    *("annotator", "done", "active minutes", "median seconds", "accepted", "corrected", "returned", "rejected"),
    *("reliability", "reviewers left", "reviewed", "same marks", "gold met", "gold judged"),
    *("like others", "expected", "z", "annotations", "earlier wins", "expected", "z", "annotations"),
    *("longer wins", "expected", "z", "annotations", "marks above others", "expected", "z", "annotations", "signs"),
)


def persons(found: list[Person], gold: dict[int, tuple[int, int]]) -> Response:
    return sheet("annotators", PERSON, (_person(each, *gold.get(each.user, (0, 0))) for each in found))


def _person(each: Person, gold_met: int, gold_judged: int) -> list[Any]:
    return [
        *(each.name, each.done, each.minutes, each.pace, each.accepted, each.state("corrected"), each.returned),
        *(each.state("rejected"), each.reliability, each.reviewers, each.reviewed, each.straight),
        *(gold_met, gold_judged),
        *_mean(each.others),
        *_mean(each.place),
        *_mean(each.length),
        *_mean(each.marks),
        "; ".join(sign.said for sign in each.signs),
    ]


def _mean(found: Mean) -> list[Any]:
    return [found.value, found.expected, found.z, found.many]


def habits(
    name: str,
    person: Person,
    own: dict[str, list[float]],
    overall: dict[str, list[float]],
    winners: Sequence[Winner],
) -> Response:
    """Shares of each mark, of wins by place, and of what decides besides the judgement, each with what is expected."""
    rows: list[tuple[Any, ...]] = [
        ("mark", f"{criterion}: {level}", share, overall[criterion][level - 1], None)
        for criterion, shares in own.items()
        for level, share in enumerate(shares, 1)
    ]
    rows += [("place that wins", each.letter, each.share, each.chance, None) for each in winners]
    means = {"earlier wins": person.place, "longer wins": person.length, "like others": person.others}
    means["marks above others"] = person.marks
    rows += [("habit", word, found.value, found.expected, found.z) for word, found in means.items()]
    return sheet(name, ("table", "row", "theirs", "expected", "z"), rows)


def beside(name: str, found: dict[int, dict[str, Figure]], names: dict[int, str]) -> Response:
    rows = [
        (names.get(other, other), each["tau"].samples, *(each[key].value for key in ("tau", "pairs", "kappa")))
        for other, each in found.items()
    ]
    return sheet(name, ("annotator", "samples of both", "tau_b", "preferences alike", "cohen's kappa"), rows)


def behind(lines: Iterable[tuple[Any, ...]]) -> Response:
    head = ("annotation", "question", "annotator", "type", "domain", "active seconds", "submitted")
    return sheet("annotations", head, ((*line[:-1], line[-1].isoformat()) for line in lines))


def progress(parts: dict[str, list[Progress]]) -> Response:
    """Tasks done of all, by question type and by domain."""
    rows = [(by.lower(), part.name, part.done, part.total) for by, each in parts.items() for part in each]
    return sheet("progress-by-part", ("by", "part", "done", "tasks"), rows)


def days(found: Forecast) -> Response:
    return sheet("progress", ("day", "done", "up to then"), ((day.day.isoformat(), *day[1:]) for day in found.days))


def changes(name: str, found: list[Change]) -> Response:
    """Every point of a person's series, and how many changes came before it."""
    rows = [
        (
            change.name,
            change.unit,
            int(at),
            float(value),
            float(smooth),
            sum(each.at <= at for each in change.series.changes),
        )
        for change in found
        for at, value, smooth in zip(change.series.at, change.series.values, change.series.smooth, strict=True)
    ]
    return sheet(name, ("series", "unit", "unix seconds", "value", "mean of neighbours", "changes before"), rows)
