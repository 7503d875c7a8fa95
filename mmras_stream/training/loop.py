"""Run a recipe: step, average, checkpoint, resume, and write the weights at the end."""

from __future__ import annotations

import copy
import os
import platform
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmras_stream.errors import CheckpointError
from mmras_stream.models.checkpoint import WeightsCard, save_weights
from mmras_stream.models.compact import CompactConfig, CompactNetwork
from mmras_stream.training.data import Crop, CropSource
from mmras_stream.training.losses import segmentation_loss
from mmras_stream.training.recipe import Recipe

CHECKPOINT_EVERY_SECONDS = 60.0
WARM_UP_STEPS = 100


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training run has come."""

    step: int
    loss: float
    """Mean of about the last 50 steps."""
    share_done: float
    """0..1, of the steps or of the minutes, whichever is further."""
    elapsed_seconds: float
    """Of training, earlier runs that were resumed included."""
    crops_per_second: float


class Trainer:
    """A network in training, with all that is needed to go on after an interruption."""

    def __init__(self, recipe: Recipe, data: Path, out: Path, *, device: str = "cpu") -> None:
        self._recipe = recipe
        self._out = out
        self._device = torch.device(device)
        self._crops = CropSource(recipe, data)
        torch.manual_seed(recipe.seed)
        network = CompactNetwork(CompactConfig(classes=recipe.classes))
        network.to(self._device).train()
        self._network: CompactNetwork = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self._average = copy.deepcopy(self._network).requires_grad_(requires_grad=False)
        schedule = recipe.schedule
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self._step = 0
        self._elapsed = 0.0
        self._loss = float("nan")

    @property
    def checkpoint_path(self) -> Path:
        """Where the state is kept while training."""
        return self._out.with_suffix(".checkpoint.pt")

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one; return whether there was.

        Raises:
            CheckpointError: the checkpoint is damaged or belongs to another recipe.
        """
        if not self.checkpoint_path.is_file():
            return False
        try:
            state = torch.load(self.checkpoint_path, map_location=self._device, weights_only=True)
            self._network.load_state_dict(state["network"])
            self._average.load_state_dict(state["average"])
            self._optimizer.load_state_dict(state["optimizer"])
        except Exception as error:  # torch.load raises whatever the damage provokes
            raise CheckpointError(
                f"cannot resume from {self.checkpoint_path}: {type(error).__name__}; "
                "delete it to start afresh"
            ) from error
        self._step, self._elapsed = int(state["step"]), float(state["elapsed"])
        self._loss = float(state["loss"])
        return True

    def run(self) -> Generator[TrainingProgress, None, None]:
        """Train to the end of the schedule, yielding after every step, then write the weights.

        Closing the generator early keeps a checkpoint of the last step.
        """
        saved = time.monotonic()
        try:
            while (share := self._share_done()) < 1:
                began = time.monotonic()
                self._take_step(share)
                took = time.monotonic() - began
                self._elapsed += took
                if time.monotonic() - saved > CHECKPOINT_EVERY_SECONDS:
                    self._save_checkpoint()
                    saved = time.monotonic()
                yield self._progress(took)
        finally:
            self._save_checkpoint()
        self._save_weights()
        self.checkpoint_path.unlink()

    def _share_done(self) -> float:
        schedule = self._recipe.schedule
        return max(self._step / schedule.steps, self._elapsed / (60 * schedule.minutes))

    def _take_step(self, share: float) -> None:
        schedule = self._recipe.schedule
        warm = min(1.0, (self._step + 1) / WARM_UP_STEPS)
        for group in self._optimizer.param_groups:
            group["lr"] = schedule.learning_rate * warm * (1 - share) ** 0.9
        first = self._step * schedule.batch_size
        crops = [self._crops[first + i] for i in range(schedule.batch_size)]
        pixels, classes, outliers, weights = _collate(crops, self._device)
        output = self._network(pixels)
        loss = segmentation_loss(output, classes, outliers, weights, self._recipe.loss)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimizer.step()
        self._update_average()
        self._step += 1
        value = float(loss.detach())
        self._loss = value if np.isnan(self._loss) else 0.98 * self._loss + 0.02 * value

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self._recipe.schedule.average_decay, (self._step + 1) / (self._step + 10))
        for mean, now in zip(
            self._average.state_dict().values(), self._network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

    def _progress(self, took: float) -> TrainingProgress:
        rate = self._recipe.schedule.batch_size / took
        share = min(1.0, self._share_done())
        return TrainingProgress(self._step, self._loss, share, self._elapsed, rate)

    def _save_checkpoint(self) -> None:
        state: dict[str, Any] = {  # Any: tensors and numbers
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "elapsed": self._elapsed,
            "loss": self._loss,
        }
        partial = self.checkpoint_path.with_suffix(".part")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint_path)  # noqa: PTH105 - atomic, and says so

    def _save_weights(self) -> None:
        provenance = {
            "sources": {source.name: source.images for source in self._recipe.sources},
            "drawn_scenes": self._recipe.drawn.scenes,
            "steps": self._step,
            "training_minutes": round(self._elapsed / 60, 1),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        card = WeightsCard(
            self._network.config, recipe=self._recipe.to_dict(), provenance=provenance
        )
        save_weights(self._out, self._average.state_dict(), card)


def _collate(crops: list[Crop], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    card = WeightsCard(CompactConfig(classes=()))
    pixels = torch.from_numpy(np.stack([crop.image for crop in crops])).to(device)
    pixels = pixels.permute(0, 3, 1, 2).float()
    mean = torch.tensor(card.mean, device=device)[:, None, None]
    std = torch.tensor(card.std, device=device)[:, None, None]
    classes = torch.from_numpy(np.stack([crop.classes for crop in crops])).to(device)
    outliers = torch.from_numpy(np.stack([crop.outliers for crop in crops])).to(device)
    weights = torch.from_numpy(np.stack([crop.weights for crop in crops])).to(device)
    normal = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
    return normal, classes, outliers, weights
