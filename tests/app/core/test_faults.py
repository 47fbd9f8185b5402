"""What a shape does not take is said in the reader's language."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core import language
from app.core.faults import first


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)
    name: Annotated[str, Field(min_length=2, max_length=3, pattern="^a")] = "ab"
    count: Annotated[int, Field(ge=1, lt=9)] = 1
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    sure: bool = True
    kind: Literal["one", "two"] = "one"
    some: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    more: dict[str, int] = {}
    inner: Shape | None = None


BAD = [
    {"other": 1}, {"name": 1}, {"name": "a"}, {"name": "aaaa"}, {"name": "bb"}, {"count": "x"}, {"count": 1.5},
    {"count": 0}, {"count": 9}, {"count": None}, {"count": "1" * 5000}, {"share": 0}, {"share": 2}, {"share": "x"},
    {"share": float("nan")}, {"share": None}, {"sure": "perhaps"}, {"sure": None}, {"kind": "three"}, {"some": 1},
    {"some": []}, {"some": [1, 2, 3]}, {"more": 1}, {"inner": 1},
]  # fmt: skip


@pytest.mark.parametrize("given", BAD, ids=str)
def test_a_reader_of_chinese_finds_no_english_in_it(given: dict[str, object]) -> None:
    language.listen("zh-CN", "")
    with pytest.raises(ValidationError) as problem:
        Shape.model_validate(given)
    said = re.sub(r"'[^']*'|“[^”]*”|（Shape）", "", first(problem.value)[1])  # choices and names stay as they are
    assert not re.search(r"[A-Za-z]{2}", said)
