"""Errors with names: each says what is wrong and where, in one line that a run page can show."""

from __future__ import annotations


class Refused(Exception):
    """The work cannot begin as asked. The command prints `NameOfError: what and where` and exits with 2."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


class ConfigError(Refused):
    """A field of a run's config is unknown, of the wrong type or out of bounds."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.others: tuple[ConfigError, ...] = ()
        """What is wrong with other fields of the same config."""


class Superseded(Refused):
    """The run was given to another process, and this one may write no more."""


class BadRequest(Refused):
    """A line that the server was sent is no question."""


class NoExpander(Refused):
    """Neither an endpoint nor a local model is configured to expand reasons."""


class NoCritic(Refused):
    """Critiques are to come from a server, and none is named."""


class BaseModelNotFound(Refused):
    """The base model's folder does not exist, or its id cannot be loaded."""


class BadCheckpoint(Refused):
    """A checkpoint folder lacks a file or is of another kind."""


class MissingInput(Refused):
    """An input that the recipe needs is not in the run folder."""


class BadSample(Refused):
    """A line of the dataset is not a sample, or contradicts itself."""


class BadPair(Refused):
    """A line of pairs.jsonl names a response that its sample lacks."""


class NoPairs(Refused):
    """The dataset has no pair to learn from."""


class TooLong(Refused):
    """No sample fits into the batch's budget of tokens."""


class NoScores(Refused):
    """MM-DPO needs the reward margins of a score run."""


class NoQuantiser(Refused):
    """QLoRA needs bitsandbytes, which is not installed."""


class MissingCritiques(Refused):
    """Responses lack the critique that the recipe was asked to learn from."""


class BadImage(Refused):
    """A picture cannot be decoded, or is absurdly large."""


class BadEndpoint(Refused):
    """The OpenAI-compatible endpoint refuses, or answers what is not its protocol."""


class NoModels(Refused):
    """No model is there to ask, one is described wrongly, or none of those that were asked answered."""


class NoPictures(Refused):
    """None of the samples has a picture that can be read."""


class NoEncoder(Refused):
    """The encoder cannot be loaded: a name or folder that is none, or weights that are not installed."""


class Diverged(RuntimeError):
    """A loss or gradient is not finite: training stops before it spoils the weights."""


class Stopped(Exception):
    """The run was asked to stop; a checkpoint has been saved."""
