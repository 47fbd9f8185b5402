"""What is wrong with a picture or a video, each by its name."""

from __future__ import annotations

from app.core.errors import Invalid


class NotAnImage(Invalid):
    """A file whose content is no picture that we read (JPEG, PNG, WebP, GIF, BMP, TIFF)."""


class SvgRefused(NotAnImage):
    """An SVG: a document that can carry scripts, not a picture."""


class TwoFilesInOne(NotAnImage):
    """A picture behind whose end an archive, a document or a program begins (a polyglot)."""


class TruncatedImage(Invalid):
    """A picture whose data end too early or are damaged."""


class ImageTooLarge(Invalid):
    """A file, or a pixel count in its head, beyond what anybody can look at."""


class NotAVideo(Invalid):
    """A file that holds no moving picture that we read."""


class VideoTooLarge(Invalid):
    """A video longer or larger than anybody judges."""


class NotPrepared(Invalid):
    """A file that the preparing process stumbled over in a way that nobody foresaw."""


class TooCostly(Invalid):
    """A file that needs more memory or time to prepare than one file may have."""
