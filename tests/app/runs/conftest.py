"""The site and a browser, as the workspace's tests have them."""

from tests.app.annotations.conftest import address, browser

__all__ = ["address", "browser"]
