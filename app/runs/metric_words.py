"""What the metrics that recipes report are called on pages. metrics.jsonl and TensorBoard keep their short names."""

from __future__ import annotations

from app.core.language import N_, told
from app.core.language import gettext as _

WORDS = {
    "loss": N_("Loss"),
    "dpo_loss": N_("DPO loss"),
    "sft_loss": N_("SFT loss"),
    "score_loss": N_("Scoring loss"),
    "critique_loss": N_("Critique loss"),
    "accuracy": N_("Accuracy"),
    "accuracy_own": N_("Accuracy, own critiques"),
    "acc_plus": "ACC+",
    "acc_plus_own": N_("ACC+, own critiques"),
    "policy_accuracy": N_("Policy accuracy"),
    "base_accuracy": N_("Base's accuracy"),
    "win_rate": N_("Win rate"),
    "margin": N_("Margin δ"),
    "margin_own": N_("Margin δ, own critiques"),
    "reward_margin": N_("Reward margin"),
    "chosen_reward": N_("Reward of the chosen"),
    "rejected_reward": N_("Reward of the rejected"),
    "beta": N_("β, mean"),
    "beta_min": N_("β, smallest"),
    "beta_max": N_("β, largest"),
    "lr": N_("Learning rate"),
    "grad_norm": N_("Gradient norm"),
    "inertia": N_("Mean squared distance to the centre"),
    "tokens_per_second": N_("Tokens a second"),
    "samples_per_second": N_("Samples a second"),
    "vectors_per_second": N_("Pictures a second"),
    "memory_gib": N_("Memory, GiB"),
    "padding_share": N_("Share of padding"),
}


def words() -> list[tuple[str, str]]:
    """Each name with what the reader calls it, in the order in which a figure lists them."""
    return [(name, str(told(text))) for name, text in WORDS.items()]


def called(metric: str, split: str) -> str:
    """A metric over a part of the data; one that is in no list goes by its own name."""
    name = str(told(WORDS.get(metric, metric)))
    return name + _(", held-out") if split == "held_out" else name
