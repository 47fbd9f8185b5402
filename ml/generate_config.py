"""The fields of the recipe `generate`; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from ml.basics import Config
from ml.fields import option


# fmt: off
@dataclass(frozen=True)
class Generate(Config):
    """Responses of several models to each sample that has not enough of them."""

    base: str = option("",
        "A local model beside the project's own: transformers id or path. Empty: none.",
        "Model", label="Local model")
    models: str = option("",
        "Names of the models to ask, between commas. Empty: all of the project's.", "Model")
    wanted: int = option(4,
        "Responses that a sample shall have in the end. One that has so many stays as it is; models that answered it "
        "already are not asked again.", "Objective", min=1, max=12)
    keep_refusals: bool = option(True,
        "A refusal in words is a response to compare, marked as a refusal.", "Objective")
    temperature: float = option(0.7, "0 takes the likeliest token each time.", "Generation", min=0.0, max=2.0)
    max_new_tokens: int = option(1024, "Longest response.", "Generation", min=1, max=32_768)
    system_prompt: str = option("", "Said to every model before the question; may be empty.", "Generation")
    instruction: str = option("", "Put before each question; may be empty.", "Generation")
    retries: int = option(5,
        "Tries after a failed request, each after a longer pause or as long as the endpoint asks for.",
        "Endpoint", min=0, max=20, advanced=True)
    timeout: float = option(120.0, "Seconds to wait for one answer.", "Endpoint", min=0.1, max=3600.0, advanced=True)
    stream: bool = option(False,
        "Have answers sent as they are written: the wait is then for each piece, not for the whole.",
        "Endpoint", advanced=True)
    batch: int = option(4, "Samples that go through a local model at once.", "Compute", min=1, max=256)
    limit: int = option(0, "Ask about only this many samples; 0 is all.", "Data", min=0, max=10_000_000)
