"""What a recipe would refuse once it runs, where the platform knows it before: said at the form, with what to do."""

from __future__ import annotations

from typing import NamedTuple

import orjson
import sqlalchemy as sa

from app.core.db import Session
from app.core.errors import Invalid
from app.core.language import N_, ngettext
from app.core.language import gettext as _
from app.datasets.tables import Dataset
from app.runs import generating, weights
from app.runs.refusals import NoPairs
from app.samples.tables import Medium, Sample
from ml import config as recipes


class NoPictures(Invalid):
    """No sample of the project has a picture to encode."""

    advice = N_("Import samples with pictures. A video is seen by its frames: wait until they have been taken from it.")


class NoEncoder(Invalid):
    """What is named as the encoder cannot encode pictures."""

    advice = N_("Leave efficientnet-lite0, or name a CLIP model: a transformers id, or a folder with a vision tower.")


class NoReasons(Invalid):
    """The dataset holds no reasons of people."""

    advice = N_("Choose a dataset whose annotators gave reasons.")


class NoSamples(Invalid):
    """The dataset has no sample of the split that is asked for."""

    advice = N_("Choose another split, or freeze the dataset again with a held-out share.")


class Pictured(NamedTuple):
    """How many samples a project has, and how many of them with a picture or frame."""

    samples: int
    pictured: int

    def words(self, clusters: int) -> str:
        """What a cluster run will do. clusters: as many as are asked for."""
        said = ngettext("%(num)s sample will be encoded.", "%(num)s samples will be encoded.", self.pictured)
        if without := self.samples - self.pictured:
            said += " " + ngettext(
                "%(num)s has neither picture nor frame and will be in no cluster.",
                "%(num)s have neither picture nor frame and will be in no cluster.",
                without,
            )
        if clusters > self.pictured:
            said += " " + ngettext(
                "They make at most %(num)s cluster.", "They make at most %(num)s clusters.", self.pictured
            )
        return said


def pictured(session: Session, project_id: int) -> Pictured:
    seen = sa.exists().where(Medium.sample_id == Sample.id, Medium.kind != "video")
    counts = sa.select(sa.func.count(), sa.func.count().filter(seen)).where(Sample.project_id == project_id)
    return Pictured(*session.execute(counts).one().t)


def refuse(session: Session, project_id: int, config: recipes.Config, dataset: Dataset | None) -> None:
    """Raises NoPictures, NoPairs, NoReasons, NoSamples; and what `generating.refuse` raises."""
    if isinstance(config, recipes.Cluster):
        _refuse_without_pictures(session, project_id)
    if isinstance(config, recipes.Generate):
        generating.refuse(session, project_id, config)
    if dataset is not None:
        _refuse_empty(config, dataset)


def _refuse_without_pictures(session: Session, project_id: int) -> None:
    there = pictured(session, project_id)
    if not there.samples:
        raise NoPictures(_("The project has no samples to cluster."), "samples")
    if not there.pictured:
        raise NoPictures(
            ngettext(
                "The project's only sample has neither picture nor frame.",
                "None of the project's %(num)s samples has a picture or frame.",
                there.samples,
            ),
            "samples",
        )


def refuse_encoder(base: str) -> None:
    """Raises NoEncoder: for nothing, and for a model's folder whose config.json knows of no vision tower."""
    if not base.strip():
        raise NoEncoder(_("No encoder is named."), "base")
    folder = weights.folder_of(base)
    if folder is None or not (path := folder / "config.json").is_file():
        return
    try:
        said = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        raise NoEncoder(_("%(path)s cannot be read.", path=path), "base") from None
    if not isinstance(said, dict) or "vision_config" not in said:
        raise NoEncoder(_("%(base)s is no model with an image tower like CLIP's.", base=base), "base")


def _refuse_empty(config: recipes.Config, dataset: Dataset) -> None:
    counts, named = dataset.counts, {"name": dataset.name, "version": dataset.version}
    split = getattr(config, "split", "train")
    if split in ("train", "held_out") and counts.get(split, {}).get("samples") == 0:
        raise NoSamples(
            _(
                "The dataset %(name)s, version %(version)s, has no samples of the split %(split)s.",
                **named,
                split=split,
            ),
            "split" if hasattr(config, "split") else "dataset",
        )
    if isinstance(config, recipes.Reward | recipes.MmDpo) and counts.get("train", {}).get("pairs") == 0:
        raise NoPairs(_("The dataset %(name)s, version %(version)s, has no pairs to learn from.", **named), "dataset")
    human = isinstance(config, recipes.Expand) or getattr(config, "critiques", "") == "human"
    if human and counts.get("reasons") == 0:
        raise NoReasons(
            _("The dataset %(name)s, version %(version)s, holds no reasons of people.", **named),
            "dataset" if isinstance(config, recipes.Expand) else "critiques",
        )
