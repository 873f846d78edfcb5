"""Fine-tuning of a colorization network against a discriminator."""

from typing import Any

import torch
from torch import Tensor, nn

from recolor_torch.color import rgb_to_yuv
from recolor_torch.errors import UsageError
from recolor_torch.hints.simulation import HintSimulation
from recolor_torch.losses.adversarial import discriminator_loss, generator_loss
from recolor_torch.training.colorization import ColorizationTraining
from recolor_torch.training.data import batches_done


class AdversarialTraining(ColorizationTraining):
    """Trains a network to please a discriminator too, which learns to tell its colors from true ones.

    The generator is fed the gray picture in place of noise, the discriminator sees the gray picture beside the colors
    (report, 4.1.3); the losses are the discriminator's own and the non-saturating one. The losses of
    ``ColorizationTraining`` hold the colors near the truth.

    Args:
        network: the generator, which must have a regression head.
        discriminator: its opponent.
        start: file of weights that the generator starts from.
        adversarial: weight of the adversarial loss of the generator.
        learning_rate: of Adam for the generator.
        discriminator_rate: of Adam for the discriminator.
        clip: largest norm of a gradient.
        accumulate: batches whose gradients make a step, in place of the Trainer's ``accumulate_grad_batches``.
        classification: weight of the cross entropy.
        regression: weight of the Huber loss.
        mix: of the rebalancing of the cross entropy.
        average: decay of the moving average of the generator, per step.
        hints: how points are simulated; without it there are none.
        bins: file of scripts/training/bin_statistics.py; without it the colors are counted on 2000 of the pictures.
        seed: of points and noise.
    """

    def __init__(
        self,
        network: nn.Module,
        discriminator: nn.Module,
        start: str | None = None,
        adversarial: float = 0.1,
        learning_rate: float = 1e-4,
        discriminator_rate: float = 2e-4,
        clip: float = 1.0,
        classification: float = 1.0,
        regression: float = 10.0,
        mix: float = 0.5,
        average: float = 0.998,
        hints: HintSimulation | None = None,
        bins: str | None = None,
        seed: int = 0,
        accumulate: int = 1,
    ) -> None:
        if accumulate < 1:
            raise UsageError(f"accumulate must be at least 1, got {accumulate}.")
        super().__init__(
            network,
            learning_rate,
            classification=classification,
            regression=regression,
            mix=mix,
            average=average,
            hints=hints,
            start=start,
            bins=bins,
            seed=seed,
        )
        self.automatic_optimization = False
        self.discriminator = discriminator
        self.adversarial, self.discriminator_rate, self.clip = adversarial, discriminator_rate, clip
        self.accumulate = accumulate

    def training_step(self, batch: Tensor, batch_idx: int) -> None:  # type: ignore[override]
        """A step of the generator, then one of the discriminator."""
        ours, theirs = self.optimizers()  # type: ignore[attr-defined]
        image, luminance, hints, mask = self.example(batch, batches_done(self.trainer))
        truth = rgb_to_yuv(image)[:, 1:]
        estimate = self.answer(luminance, hints, mask)
        if estimate.chroma is None:
            raise UsageError(f"{type(self.network).__name__} has no chroma to show to a discriminator.")
        fake = estimate.chroma.to(image)

        self.toggle_optimizer(ours)
        persuasion = generator_loss(self.discriminator(luminance, fake))
        if self._learn(ours, self.loss(estimate, image) + self.adversarial * persuasion, batch_idx):
            self.take_average()
        self.untoggle_optimizer(ours)

        self.toggle_optimizer(theirs)
        verdicts = self.discriminator(luminance, truth), self.discriminator(luminance, fake.detach())
        judgement = discriminator_loss(*verdicts)
        if self._learn(theirs, judgement, batch_idx):
            self.share_statistics(self.discriminator)
        self.untoggle_optimizer(theirs)
        right = torch.cat([(verdicts[0] > 0).float().flatten(), (verdicts[1] < 0).float().flatten()]).mean()
        self.log_dict({"train/generator": persuasion, "train/discriminator": judgement, "train/right": right})

    def _learn(self, optimizer: Any, loss: Tensor, batch_idx: int) -> bool:
        """Add a batch to the gradient of a step, and make the step where it is its last; whether it was."""
        if batch_idx % self.accumulate == 0:
            optimizer.zero_grad()
        self.manual_backward(loss / self.accumulate)
        if (batch_idx + 1) % self.accumulate and not self.trainer.is_last_batch:
            return False
        self.clip_gradients(optimizer, gradient_clip_val=self.clip, gradient_clip_algorithm="norm")
        optimizer.step()
        return True

    def configure_optimizers(self) -> Any:
        """Adam for each, with the momentum of DCGAN."""
        ours = torch.optim.Adam(self.network.parameters(), self.learning_rate, betas=(0.5, 0.999))
        theirs = torch.optim.Adam(self.discriminator.parameters(), self.discriminator_rate, betas=(0.5, 0.999))
        return [ours, theirs]
