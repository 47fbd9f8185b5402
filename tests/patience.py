"""A browser's page whose keys wait, as a person's would, until the page's scripts listen."""

from __future__ import annotations

from playwright.sync_api import Page


def patient(page: Page) -> Page:
    """The page, which presses and types a key only once it has loaded with its scripts.

    Finding an element waits for the page; pressing a key does not, and a module's listeners come a moment
    after the elements: on a busy machine a key pressed between the two is lost.
    """
    press, type_ = page.keyboard.press, page.keyboard.type

    def press_when_loaded(key: str, **options: float) -> None:
        page.wait_for_load_state("load")
        press(key, **options)

    def type_when_loaded(text: str, **options: float) -> None:
        page.wait_for_load_state("load")
        type_(text, **options)

    page.keyboard.press = press_when_loaded  # type: ignore[method-assign, assignment]
    page.keyboard.type = type_when_loaded  # type: ignore[method-assign, assignment]
    return page
