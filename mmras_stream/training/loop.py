"""Run a recipe: step, average, checkpoint, resume, and write the weights at the end."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmras_stream.errors import CheckpointError
from mmras_stream.inference.device import chosen_precision
from mmras_stream.models.compact import CompactNetwork
from mmras_stream.prefetching import prefetch
from mmras_stream.training.batches import BATCHES_AHEAD, Batch, batches, on_device, usual_workers
from mmras_stream.training.data import CropSource
from mmras_stream.training.losses import class_loss, keep_loss, outlier_loss, ranking_loss
from mmras_stream.training.recipe import CLASSES, EVERYTHING, OUTLIERS, TEXT, Recipe, Stage
from mmras_stream.training.tuning import TuningCrops, freeze_statistics
from mmras_stream.training.weights import first_network, interpolated, write_weights
from mmras_stream.training.words import WordLesson

CHECKPOINT_EVERY_SECONDS = 60.0
WARM_UP_STEPS = 100


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training run has come."""

    step: int
    loss: float
    """Mean of about the last 50 steps."""
    share_done: float
    """0..1, of the minutes of all stages; a stage counts by its steps where these are further."""
    stage: str
    elapsed_seconds: float
    """Of training, earlier runs that were resumed included."""
    crops_per_second: float


class Trainer:
    """A network in training, with all that is needed to go on after an interruption.

    Args:
        recipe: What to do.
        data: Folder that the paths in the recipe start from.
        out: The weights to write.
        start: Weights to begin with, in place of random ones.
        device: cpu, cuda or cuda:N.
        workers: Processes that make crops; None: all cores but one on CUDA, else a thread does.

    Raises:
        CheckpointError: `start` is damaged or of another shape.
        PluginError: a stage learns text, and its encoder is missing.
        DataError, SettingsError, VideoError: what the recipe names cannot be had.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        out: Path,
        *,
        start: Path | None = None,
        device: str = "cpu",
        workers: int | None = None,
    ) -> None:
        self._recipe = recipe
        self._out = out
        self._device = torch.device(device)
        self._precision = chosen_precision("auto", self._device)
        self._workers = usual_workers(self._device) if workers is None else workers
        self._crops = TuningCrops(recipe, data) if recipe.reviewed else CropSource(recipe, data)
        self._start = start
        torch.manual_seed(recipe.seed)
        network = first_network(recipe, start)
        self._lesson = WordLesson(recipe) if recipe.learns_words else None
        if self._lesson is not None:
            network = self._lesson.fitted(network)
        network = network.to(self._device)
        self._network: CompactNetwork = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self._before = copy.deepcopy(self._network).eval().requires_grad_(requires_grad=False)
        self._average = copy.deepcopy(self._network).requires_grad_(requires_grad=False)
        self._step = 0
        self._elapsed = 0.0
        self._loss = float("nan")
        self._optimizer: torch.optim.AdamW
        self._enter(0)

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
            kept, here = state["stages"], [stage.name for stage in self._recipe.stages]
            if kept == here:
                self._restore(state)
        except Exception as error:  # torch.load raises whatever the damage provokes
            raise CheckpointError(
                f"cannot resume from {self.checkpoint_path}: {type(error).__name__}; "
                "delete it to start afresh"
            ) from error
        if kept != here:
            raise CheckpointError(
                f"{self.checkpoint_path} belongs to the stages {', '.join(kept)}, not to "
                f"{', '.join(here)}; give the same, or delete it to start afresh"
            )
        return True

    def _restore(self, state: dict[str, Any]) -> None:  # Any: tensors and numbers
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._enter(int(state["stage"]))
        self._optimizer.load_state_dict(state["optimizer"])
        self._step, self._elapsed = int(state["step"]), float(state["elapsed"])
        self._stage_step = int(state["stage_step"])
        self._stage_elapsed = float(state["stage_elapsed"])
        self._loss = float(state["loss"])

    def run(self) -> Generator[TrainingProgress, None, None]:
        """Train to the end of the schedule, yielding after every step, then write the weights.

        Closing the generator early keeps a checkpoint of the last step.
        """
        saved = time.monotonic()
        try:
            with (
                closing(self._batches()) as made,
                closing(prefetch(made, depth=BATCHES_AHEAD)) as ready,
            ):
                while self._stage_share() < 1 or self._next_stage():
                    began = time.monotonic()
                    self._take_step(next(ready), self._stage_share())
                    took = time.monotonic() - began
                    self._elapsed += took
                    self._stage_elapsed += took
                    if time.monotonic() - saved > CHECKPOINT_EVERY_SECONDS:
                        self._save_checkpoint()
                        saved = time.monotonic()
                    yield self._progress(took)
        finally:
            self._save_checkpoint()
        self._save_weights()
        self.checkpoint_path.unlink()

    @property
    def _stage(self) -> Stage:
        return self._recipe.stages[self._stage_number]

    def _enter(self, number: int) -> None:
        """Begin a stage: what it does not learn is frozen, its normalisation included."""
        self._stage_number, self._stage_step, self._stage_elapsed = number, 0, 0.0
        learns = self._stage.learns
        trunk, outlier = learns in (CLASSES, EVERYTHING), learns in (OUTLIERS, EVERYTHING)
        self._network.requires_grad_(trunk).train(trunk)
        for part in self._network.outlier_parts:
            part.requires_grad_(outlier).train(outlier)
        if self._network.text_head is not None:
            self._network.text_head.requires_grad_(learns == TEXT)
        if self._stage.frozen_statistics:
            freeze_statistics(self._network)
        self._optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.AdamW:
        learnt = [value for value in self._network.parameters() if value.requires_grad]
        decay = self._recipe.schedule.weight_decay
        return torch.optim.AdamW(learnt, self._stage.learning_rate, weight_decay=decay)

    def _next_stage(self) -> bool:
        """Go on from the averaged weights with the next stage; return whether there is one."""
        if self._stage_number + 1 == len(self._recipe.stages):
            return False
        self._network.load_state_dict(self._average.state_dict())
        self._enter(self._stage_number + 1)
        return True

    def _stage_share(self) -> float:
        stage = self._stage
        return max(self._stage_step / stage.steps, self._stage_elapsed / (60 * stage.minutes))

    def _share_done(self) -> float:
        minutes = [stage.minutes for stage in self._recipe.stages]
        number = self._stage_number
        passed = sum(minutes[:number]) + min(1.0, self._stage_share()) * minutes[number]
        return passed / sum(minutes)

    def _batches(self) -> Generator[Batch, None, None]:
        size = self._recipe.schedule.batch_size
        made = batches(self._crops, size, first=self._step, workers=self._workers)
        with closing(made):
            for batch in made:
                yield on_device(batch, self._device)

    def _take_step(self, batch: Batch, share: float) -> None:
        warm = min(1.0, (self._stage_step + 1) / WARM_UP_STEPS)
        for group in self._optimizer.param_groups:
            group["lr"] = self._stage.learning_rate * warm * (1 - share) ** 0.9
        loss = self._loss_of(batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimizer.step()
        self._update_average()
        self._step += 1
        self._stage_step += 1
        value = float(loss.detach())
        self._loss = value if np.isnan(self._loss) else 0.98 * self._loss + 0.02 * value

    def _loss_of(self, batch: Batch) -> Tensor:
        pixels, classes, outliers, weights = batch
        stage, how = self._stage, self._recipe.loss
        with torch.autocast(
            self._device.type, self._precision, enabled=self._precision == torch.bfloat16
        ):
            output = self._network(pixels)
        if stage.learns == TEXT:
            assert self._lesson is not None
            return self._lesson.loss(self._network, output.features, classes, outliers)
        # reviews alone label no class, and tune networks that know others
        groups = self._recipe.group_numbers if self._recipe.sources else ()
        if stage.learns == CLASSES:
            return class_loss(output, classes, groups)
        logits = output.outlier_logits.float()
        total = outlier_loss(logits, outliers, weights, how)
        if stage.ranking > 0:
            total = total + stage.ranking * ranking_loss(logits, outliers, margin=how.margin)
        if how.keep > 0:
            before = self._before(pixels)
            total = total + how.keep * keep_loss(output, before, outliers, weights)
        if stage.learns != EVERYTHING:
            return total
        return total + class_loss(output, classes, groups)

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(
            self._recipe.schedule.average_decay, (self._stage_step + 1) / (self._stage_step + 10)
        )
        for mean, now in zip(
            self._average.state_dict().values(), self._network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

    def _progress(self, took: float) -> TrainingProgress:
        rate = self._recipe.schedule.batch_size / took
        return TrainingProgress(
            self._step, self._loss, self._share_done(), self._stage.name, self._elapsed, rate
        )

    def _save_checkpoint(self) -> None:
        state: dict[str, Any] = {  # Any: tensors and numbers
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "stages": [stage.name for stage in self._recipe.stages],
            "stage": self._stage_number,
            "stage_step": self._stage_step,
            "stage_elapsed": self._stage_elapsed,
            "step": self._step,
            "elapsed": self._elapsed,
            "loss": self._loss,
        }
        partial = self.checkpoint_path.with_suffix(".part")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint_path)  # noqa: PTH105 - atomic, and says so

    def _save_weights(self) -> None:
        kept = self._recipe.schedule.kept_share
        write_weights(
            self._out,
            interpolated(self._average, self._before, kept) if kept > 0 else self._average,
            self._recipe,
            start=self._start,
            text=None if self._lesson is None else self._lesson.card,
            steps=self._step,
            minutes=self._elapsed / 60,
        )
