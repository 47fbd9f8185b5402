"""A sample's responses behind one prefix mean what each alone means: layout by hand, then losses and gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ml import adapters, attention, losses, packing
from ml.config import Reward
from ml.encoding import Prefix, Suffix
from ml.models import VisionLanguage, load
from ml.packing import Rows
from ml.shelf import Shelf
from tests.ml import families

WIDE = Image.linear_gradient("L").resize((96, 40)).convert("RGB")
TALL = Image.radial_gradient("L").resize((40, 88)).convert("RGB")
PICTURES: dict[str, list[Image.Image]] = {"none": [], "one": [WIDE], "several of unlike sizes": [TALL, WIDE, TALL]}


def test_the_layout_of_a_sample_by_hand() -> None:
    segments = packing.segments_of(2, [2, 1], 6)
    assert segments.tolist() == [0, 0, 1, 1, 2, -1]
    seen = packing.visible(segments[None])[0, 0].long().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],  # the second response sees the prefix and itself, not the first
        [1, 1, 0, 0, 0, 0],  # padding sees the prefix, and nobody sees it
    ]
    assert packing.behind(torch.tensor([[0, 1]]), [2, 1], 6).tolist() == [[0, 1, 2, 3, 2, 0]]


def test_responses_of_unlike_lengths_are_read_as_a_batch_and_put_back() -> None:
    each = attention.layout(2, [3, 0, 1], "cpu")
    assert each.places.tolist() == [[2, 3, 4], [5, 5, 5]], "a response without a token is passed over"
    assert each.visible[0, 0].long().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert each.places.flatten()[each.back].tolist() == [2, 3, 4, 5]


def test_behind_a_picture_all_three_positions_go_on_from_the_furthest() -> None:
    prefix = torch.tensor([[0, 1, 1], [0, 1, 3], [0, 2, 1]])
    assert packing.behind(prefix, [1, 2], 6)[:, 3:].tolist() == [[4, 4, 5]] * 3


@given(st.integers(1, 9), st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(0, 4))
def test_every_token_sees_what_it_would_see_alone(prefix: int, lengths: list[int], padding: int) -> None:
    width = prefix + sum(lengths) + padding
    segments = packing.segments_of(prefix, lengths, width)
    seen = packing.visible(segments[None])[0, 0]
    at = prefix
    for length in lengths:
        for offset in range(length):
            assert seen[at + offset].nonzero()[:, 0].tolist() == [*range(prefix), *range(at, at + offset + 1)]
        at += length


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(20, 120))
def test_groups_by_tokens_lose_nothing_and_stay_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = packing.by_tokens(lengths, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[index] for index in group) <= budget


EVERY = [families.tiny_qwen2_vl, *families.FAMILIES]


@pytest.fixture(scope="module", params=EVERY, ids=lambda family: family.__name__)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data: Path) -> VisionLanguage:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("family") / "base"
    request.param(folder, data)
    found = load(str(folder), Reward(device="cpu"))
    adapters.train_fully(found, freeze_vision=True)
    return found


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each call of the attention took apart."""
    calls: list[int] = []
    apart = attention.attend_apart

    def counting(module: object, parts: Sequence[Tensor], layouts: Sequence[attention.Layout], more: Any) -> Tensor:
        calls.append(len(layouts))
        return apart(module, parts, layouts, more)

    monkeypatch.setattr(attention, "attend_apart", counting)
    return calls


def sample(model: VisionLanguage, pictures: list[Image.Image]) -> tuple[list[Prefix], list[list[Suffix]]]:
    """Two samples of unlike lengths: four responses, and two; each behind it an end whose tokens are not asked for."""
    texts = [["red", "It is red, I should say.", "I cannot tell you that", "a"], ["two words", "one"]]
    prefixes = [model.encoder.prefix("What colour is it?", pictures), model.encoder.prefix("And now?", pictures[:1])]
    suffixes = []
    for some in texts:
        ids = [model.encoder.response(text, 64) for text in some]
        suffixes.append([Suffix([*each, *each[:2]], [True] * len(each) + [False] * 2) for each in ids])
    return prefixes, suffixes


def loss_of(model: VisionLanguage, rows: Rows, seen: list[object]) -> Tensor:
    """Every pair of the first sample, as MM-DPO asks: log σ of differences, with β of its own for each pair."""
    hidden = model.hidden(rows, seen)
    sums, counts = model.log_probabilities(hidden, rows, 7)
    one, other = torch.combinations(torch.arange(4)).unbind(1)
    betas = torch.linspace(0.1, 0.15, len(one))
    reference = (sums * 0.9).detach()
    preference = losses.dpo_loss(sums, reference, one, other, betas, 0.1).losses.mean()
    at_the_ends = hidden.flatten(0, 1)[rows.ends].square().mean()
    return preference + losses.sft_loss(sums, counts, one).mean() + at_the_ends


def gradients(model: VisionLanguage, rows: Rows) -> tuple[float, Tensor]:
    model.net.zero_grad()
    loss = loss_of(model, rows, [model.see(prefix) for prefix in rows.prefixes])  # a projector may learn, too
    torch.autograd.backward(loss)
    return float(loss.detach()), torch.cat([p.grad.flatten() for p in model.net.parameters() if p.grad is not None])


def own_positions(model: VisionLanguage, prefix: Prefix, suffix: Suffix) -> Tensor:
    """Where the family itself puts the tokens of one response behind its prefix: (A, T)."""
    ids = torch.cat([prefix.ids, torch.tensor(suffix.ids, dtype=torch.long)])
    own = getattr(model.net.model, "get_rope_index", None)
    if own is None:
        return torch.arange(len(ids))[None]
    types = torch.zeros_like(ids)
    if prefix.token_types is not None:
        types[: len(prefix.ids)] = prefix.token_types
    shapes = {n: each for n, each in prefix.vision.items() if n in inspect.signature(own).parameters}
    found: Tensor = own(ids[None], mm_token_type_ids=types[None], **shapes)[0]
    return found[:, 0]


@pytest.mark.parametrize("pictures", PICTURES.values(), ids=PICTURES.keys())
def test_tokens_stand_where_the_family_puts_them_alone(model: VisionLanguage, pictures: list[Image.Image]) -> None:
    prefixes, suffixes = sample(model, pictures)
    placed = model.rows(prefixes, suffixes).positions
    assert placed is not None
    for row, (prefix, each) in enumerate(zip(prefixes, suffixes, strict=True)):
        behind, end = len(prefix.ids), len(prefix.ids)
        for suffix in each:
            alone = own_positions(model, prefix, suffix)
            packed = placed.reshape(-1, *placed.shape[-2:])[:, row]
            begin, end = end, end + len(suffix.ids)
            assert torch.cat([packed[:, :behind], packed[:, begin:end]], dim=1).equal(alone)


@pytest.mark.parametrize("pictures", PICTURES.values(), ids=PICTURES.keys())
def test_losses_and_gradients_are_those_of_a_row_a_response(
    model: VisionLanguage, pictures: list[Image.Image], split: list[int]
) -> None:
    assert not model.unpackable
    prefixes, suffixes = sample(model, pictures)
    together = model.rows(prefixes, suffixes)
    alone = packing.plain(prefixes, suffixes, model.pad, model.device)
    assert together.tokens < alone.tokens
    packed_loss, packed = gradients(model, together)
    layers = model.net.config.get_text_config().num_hidden_layers
    assert split == [len(prefixes)] * layers, "every layer computes only what is seen"
    plain_loss, plain = gradients(model, alone)
    assert len(split) == layers
    assert packed_loss == pytest.approx(plain_loss, rel=1e-5)
    assert float((packed - plain).norm() / plain.norm()) < 1e-5


def test_the_last_layer_runs_where_its_states_are_read(model: VisionLanguage) -> None:
    """And every family has the parts that are spared; so nowhere else, and to the same states."""
    rows = model.rows(*sample(model, [WIDE]))
    seen = [model.see(prefix) for prefix in rows.prefixes]
    layer = model.net.get_decoder().layers[-1]
    ran: list[int] = []
    hooks = [
        part.register_forward_hook(lambda module, given, out: ran.append(int(out.any(-1).sum())))
        for part in (layer.self_attn.q_proj, layer.self_attn.o_proj, layer.mlp.gate_proj)
    ]
    with torch.no_grad():
        spared = model.hidden(rows, seen).flatten(0, 1)[rows.read]
        inputs = model.inputs(rows, seen)
        whole = model.net.model(**inputs, use_cache=False).last_hidden_state.flatten(0, 1)[rows.read]
    for hook in hooks:
        hook.remove()
    assert ran[:3] == [len(rows.read)] * 3
    assert min(ran[3:]) >= rows.tokens
    assert len(rows.read) < rows.input_ids.numel() / 2
    assert torch.allclose(spared, whole, rtol=1e-5, atol=1e-6)


def test_features_come_back_from_a_file_as_they_were(model: VisionLanguage, tmp_path: Path) -> None:
    prefix = model.encoder.prefix("What colour is it?", [TALL, WIDE])
    shelf = Shelf(tmp_path, 2**20)
    with torch.no_grad():
        before = model.see(prefix)
    shelf.put("a", before)
    after = shelf.get("a", model.device)
    rows = model.rows([prefix], [[Suffix(model.encoder.ids("red"), [True])]])
    with torch.no_grad():
        assert model.hidden(rows, [after]).equal(model.hidden(rows, [before]))


def test_in_bf16_they_are_alike_within_its_noise(model: VisionLanguage) -> None:
    prefixes, suffixes = sample(model, [WIDE])
    seen = [model.see(prefix) for prefix in prefixes]
    model.autocast = True
    try:
        with torch.no_grad():
            packed = loss_of(model, model.rows(prefixes, suffixes), seen)
            plain = loss_of(model, packing.plain(prefixes, suffixes, model.pad, model.device), seen)
    finally:
        model.autocast = False
    assert float(packed) == pytest.approx(float(plain), rel=2e-2)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: setattr(text, "layer_types", ["full_attention", "sliding_attention"]), "sliding_attention"),
        (lambda text: setattr(text, "layer_types", ["linear_attention"]), "linear_attention"),
        (lambda text: setattr(text, "is_causal", False), "both ways"),
    ],
)
def test_attention_that_cannot_be_packed_gets_a_row_a_response(
    base: Path, change: Callable[[object], None], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load(str(base), Reward(device="cpu"))
    change(whole.net.config.get_text_config())
    other = VisionLanguage(whole.base, whole.net, whole.processor, whole.device, autocast=False)
    prefixes, suffixes = sample(other, [WIDE])
    assert why in other.unpackable
    assert why in capsys.readouterr().err
    assert len(other.rows(prefixes, suffixes).input_ids) == 6
