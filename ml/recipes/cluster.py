"""Pictures → vectors → clusters of look-alikes, near-duplicates, and a map of two dimensions.

Each picture is encoded once, however many samples ask about it; a sample is where its first picture or frame is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from ml import grouping, layout, parallel, pictures
from ml.config import Cluster
from ml.encoders import Vectors, open_encoder
from ml.errors import BadImage, BadSample, NoPictures
from ml.folder import RunFolder, as_json, read_lines, write_jsonl, write_text
from ml.vectors import DONE, VectorFile, blocks, lay

SHOWN = 24
"""Samples nearest to a cluster's centre that stand for it."""


def run(folder: RunFolder, config: Cluster) -> None:
    parallel.start(config.device)
    samples = samples_of(folder)
    paths = list(dict.fromkeys(samples.values()))
    file = encoded(folder, config, paths)
    if parallel.leads():
        group(folder, config, samples, paths, file)
    parallel.end()


def samples_of(folder: RunFolder) -> dict[str, str]:
    """Sample → path of its first picture or frame. Raises BadSample, NoPictures."""
    found: dict[str, str] = {}
    without = 0
    for number, row in enumerate(read_lines(folder.input("samples.jsonl")), 1):
        if not isinstance(row.get("id"), str) or not isinstance(row.get("media"), list):
            raise BadSample(f"samples.jsonl line {number} has no id or no list of media")
        seen = [str(each["path"]) for each in row["media"] if each.get("kind") != "video"]
        without += not seen
        if seen:
            found[row["id"]] = str((folder.path / "inputs" / seen[0]).absolute())
    if not found:
        raise NoPictures("inputs/samples.jsonl names no sample with a picture or frame")
    if without:
        folder.note(f"{without} samples have neither picture nor frame and are in no cluster", "warning")
    return found


def encoded(folder: RunFolder, config: Cluster, paths: Sequence[str]) -> VectorFile:
    """Every picture's vector; pictures that an earlier try has encoded are not read again."""
    encoder = open_encoder(config)
    if parallel.leads():
        lay(folder.path / "vectors", paths, f"{config.base} {config.max_pixels}", encoder.width)
    parallel.meet()
    file = VectorFile(folder.path / "vectors")
    begun, fresh, lost = time.monotonic(), 0, list[str]()
    with ThreadPoolExecutor(4) as decoders:
        for step, rows in enumerate(blocks(file.waiting(parallel.rank(), parallel.world()), config.batch), 1):
            folder.halt()
            read = list(decoders.map(lambda row: picture(paths[row], config.max_pixels), rows))
            for row, found in zip(rows, read, strict=True):
                if isinstance(found, BadImage):
                    file.lose(int(row))
                    lost.append(str(found))
                    folder.note(f"{found}; its samples are in no cluster", "warning")
            good = [each for each in read if not isinstance(each, BadImage)]
            kept = [int(row) for row, each in zip(rows, read, strict=True) if not isinstance(each, BadImage)]
            file.keep(kept, encoder.encode(good) if good else np.empty((0, encoder.width), np.float32))
            fresh += len(rows)
            rate = fresh * parallel.world() / max(time.monotonic() - begun, 1e-9)
            folder.metric(step, "encode", {"vectors_per_second": rate})
            folder.progress("encode", file.count(), len(paths))
    _tell_of_others(folder, lost)
    return file


def _tell_of_others(folder: RunFolder, lost: list[str]) -> None:
    """Note what the other processes could not read: the leader alone writes. All meet here."""
    _mine, *others = parallel.gathered(lost)
    for found in (problem for each in others for problem in cast(list[str], each)):
        if parallel.leads():
            folder.note(f"{found}; its samples are in no cluster", "warning")


def picture(path: str, max_pixels: int) -> Image.Image | BadImage:
    try:
        return pictures.load(Path(path), max_pixels)
    except BadImage as problem:
        return problem


def group(folder: RunFolder, config: Cluster, samples: dict[str, str], paths: Sequence[str], file: VectorFile) -> None:
    rows = np.flatnonzero(np.asarray(file.states) == DONE)
    if not len(rows):
        raise NoPictures("none of the pictures can be read")
    vectors, clusters = file.vectors, min(config.clusters, len(rows))
    if clusters < config.clusters:
        folder.note(f"{len(rows)} pictures make at most {clusters} clusters, not {config.clusters}", "warning")

    centres = grouping.learn(vectors, rows, clusters, config.iterations, config.points_per_cluster, config.seed)
    for step, inertia in enumerate(centres.inertia, 1):
        folder.metric(step, "train", {"inertia": inertia})
    folder.halt()
    parted = grouping.part(vectors, rows, centres)
    folder.progress("duplicates", 0, 1)
    duplicates = grouping.near_duplicates(vectors, rows, parted, config.near_duplicate)
    folder.halt()
    folder.progress("map", 0, len(rows))
    map_places = layout.place(folder, config, vectors, rows)

    leave(folder, samples, paths, rows, parted, map_places, duplicates)


def leave(
    folder: RunFolder,
    samples: dict[str, str],
    paths: Sequence[str],
    rows: grouping.Rows,
    parted: grouping.Parted,
    map_places: Vectors,
    duplicates: dict[int, tuple[int, float]],
) -> None:
    """Pictures' clusters, places and likenesses, told by sample."""
    place_of = {paths[int(row)]: place for place, row in enumerate(rows)}
    known = {sample: place_of[path] for sample, path in samples.items() if path in place_of}
    asking: dict[str, list[str]] = {}
    for sample, path in samples.items():
        asking.setdefault(path, []).append(sample)
    write_jsonl(folder.output / "samples.jsonl", (placed(s, place, parted, map_places) for s, place in known.items()))
    likest = sorted(duplicates.items(), key=lambda each: -each[1][1])
    write_jsonl(
        folder.output / "duplicates.jsonl",
        (
            {"samples": asking[paths[row]], "of": asking[paths[of]], "cosine": round(cosine, 5)}
            for row, (of, cosine) in likest
        ),
    )
    sizes = np.bincount([int(parted.first[place]) for place in known.values()])
    write_text(folder.output / "clusters.json", as_json(told(parted, sizes, rows, paths, asking)) + "\n")
    folder.result(
        {
            "samples": len(known),
            "pictures": len(rows),
            "unreadable": len(paths) - len(rows),
            "clusters": int(np.count_nonzero(sizes)),
            "largest_cluster": int(sizes.max()),
            "smallest_cluster": int(sizes[sizes > 0].min()),
            "near_duplicates": len(duplicates),
            "inertia": parted.inertia,
        }
    )


def placed(sample: str, place: int, parted: grouping.Parted, map_places: Vectors) -> dict[str, object]:
    x, y = (round(float(each), 5) for each in map_places[place])
    return {"sample": sample, "cluster": int(parted.first[place]) + 1, "x": x, "y": y}


def told(
    parted: grouping.Parted,
    sizes: np.ndarray,  # type: ignore[type-arg]
    rows: grouping.Rows,
    paths: Sequence[str],
    asking: dict[str, list[str]],
) -> list[dict[str, object]]:
    """Each cluster that has samples: its number, size, and the samples nearest to its centre."""
    found: list[dict[str, object]] = []
    for cluster in np.flatnonzero(sizes):
        members = np.flatnonzero(parted.first == cluster)
        nearest = members[np.argsort(parted.distance[members], kind="stable")[:SHOWN]]
        first = [asking[paths[int(rows[place])]][0] for place in nearest]
        found.append({"cluster": int(cluster) + 1, "samples": int(sizes[cluster]), "nearest": first})
    return found
