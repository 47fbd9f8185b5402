"""The scoring head of the reward model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ml.models import VisionLanguage


class ScoreHead(nn.Module):
    """Linear, tanh, dropout, linear to one value, on the last hidden state of the last token. In fp32."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(width, 1)

    def forward(self, hidden: Tensor, ends: Tensor) -> Tensor:
        """hidden (B, T, D), ends (R) as places in B · T: rewards (R)."""
        state = hidden.flatten(0, 1)[ends].float()
        rewards: Tensor = self.outer(self.dropout(torch.tanh(self.inner(state)))).squeeze(-1)
        return rewards


def score_head(model: VisionLanguage, dropout: float) -> ScoreHead:
    return ScoreHead(model.net.config.get_text_config().hidden_size, dropout).to(model.device)
