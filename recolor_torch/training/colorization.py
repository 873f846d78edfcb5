"""A LightningModule that trains a colorization network on photographs."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.color.bins import BINS, annealed_mean, count_bins, rebalancing_weights
from recolor_torch.color.difference import LARGEST_PSNR, psnr
from recolor_torch.color.scaling import chroma_to_unit
from recolor_torch.describe import INSTANTIATOR, arguments
from recolor_torch.errors import UsageError
from recolor_torch.features.state_dicts import read_state
from recolor_torch.hints.simulation import HintSimulation, gaussian_centres, paint_points
from recolor_torch.losses.classification import chroma_loss, distribution_loss
from recolor_torch.losses.colorfulness import colorfulness_loss
from recolor_torch.networks import ColorUNet, Estimate
from recolor_torch.networks.loading import load_into
from recolor_torch.paths import as_path, is_file
from recolor_torch.precision import refuse_half
from recolor_torch.training.data import TrainingDataModule, batches_done

# Weight of the colorfulness loss within that of the vivid chroma: the two are then of one size.
_COLORFULNESS = 4.0
VALIDATED_POINTS = (0, 10)


class ColorizationTraining(pl.LightningModule):
    """Trains a network on photographs without their color, and with points of it.

    The loss is the cross entropy of the distribution over 313 ab bins, with rare colors weighted up (Zhang et al.
    2016), plus a Huber loss of the chroma. An exponential moving average of the network is validated and kept.

    Args:
        network: the network that learns.
        learning_rate: of AdamW.
        encoder_rate: the encoder's learning rate as a share of the others', where the network has an encoder.
        frozen_steps: the encoder does not learn in the first steps. (On several devices that needs the strategy
            ddp_find_unused_parameters_true.)
        sparse: learn the distribution at a quarter of its places, others in each step, which saves a fifth of the time;
            for networks that can, as ColorUNet.
        warmup: steps in which the learning rate rises from 0.
        cooldown: share of the steps at the end in which it falls to 0, linearly.
        weight_decay: of AdamW.
        classification: weight of the cross entropy.
        regression: weight of the Huber loss.
        vivid: weight of the losses of the vivid chroma, where the network gives one: Huber and colorfulness.
        mix: of the rebalancing: 1 weighs all bins alike, 0 by the inverse of their share.
        average: decay of the moving average, per step.
        grain: largest deviation of the noise that is added to the luminance, in [0, 1]: old pictures have some.
        tone: luminance is raised to a power drawn from 1 / (1 + tone) to 1 + tone.
        hints: how points are simulated; without it there are none.
        start: file of weights that the network starts from.
        bins: file of scripts/training/bin_statistics.py; without it the colors are counted on 2000 of the pictures.
        seed: of points and noise.
    """

    bin_weights: Tensor

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float = 1e-3,
        encoder_rate: float = 0.2,
        frozen_steps: int = 0,
        sparse: bool = False,
        warmup: int = 200,
        cooldown: float = 0.2,
        weight_decay: float = 0.01,
        classification: float = 1.0,
        regression: float = 10.0,
        vivid: float = 4.0,
        mix: float = 0.5,
        average: float = 0.998,
        grain: float = 0.03,
        tone: float = 0.25,
        hints: HintSimulation | None = None,
        start: str | None = None,
        bins: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if start is not None:
            load_into(network, start)
        self.network = network
        self.bins = bins
        self.learning_rate, self.encoder_rate = learning_rate, encoder_rate
        self.frozen_steps, self.sparse = frozen_steps, sparse
        self.warmup, self.cooldown = warmup, cooldown
        self.weight_decay, self.classification, self.regression = weight_decay, classification, regression
        self.average = average
        self.vivid = vivid
        self.mix, self.grain, self.tone, self.hints, self.seed = mix, grain, tone, hints, seed
        self._start = 0.0, 0
        self.averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True)
        self.averaged.requires_grad_(False)
        # Counted on the pictures that are trained on, or read from a checkpoint; 0 says that neither has happened.
        self.register_buffer("bin_weights", torch.zeros(BINS))

    def forward(self, luminance: Tensor, hints: Tensor | None = None, mask: Tensor | None = None) -> Estimate:
        """The averaged network's estimate."""
        return self.averaged(luminance, hints, mask)

    def on_fit_start(self) -> None:
        """Count the colors of the training pictures, unless a checkpoint brought the counts.

        Raises:
            UsageError: the weights have 16 bits, in which steps of the optimizer and of the moving average are lost.
        """
        refuse_half(self.trainer.precision, "Training")
        if self.classification == 0:
            return
        if not self.bin_weights.any():
            self.bin_weights.copy_(rebalancing_weights(self._counts(), self.mix))
        for network in (self.network, self.averaged.module):
            if isinstance(network, ColorUNet):
                network.log_weights.copy_(self.bin_weights.log())

    def _counts(self) -> Tensor:
        """How often the colors of each bin occur, from a file or in the training pictures."""
        if self.bins is not None:
            return read_counts(self.bins)
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, TrainingDataModule):
            raise UsageError("The colors are counted on a TrainingDataModule, got another data module.")
        return torch.as_tensor(sum(count_bins(quarter_ab(self.pictures(p))) for p in data.samples(2000)))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """The loss of a batch of pictures, (B, 3, H, W), uint8."""
        image, luminance, hints, mask = self.example(batch, batches_done(self.trainer))
        return self.loss(self.answer(luminance, hints, mask), image)

    def example(self, batch: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """What the batch of this number teaches: the pictures with their tone changed, the luminance that the network
        is shown, and the chroma and the mask of the points that it is given."""
        generator = self._generator(number)
        image = self.pictures(batch)
        image = image ** self._powers(len(image), generator)
        hints, mask = self.hints(rgb_to_yuv(image)[:, 1:], generator) if self.hints else (None, None)
        luminance = rgb_to_luminance(image)
        strength = self.grain * torch.rand(len(image), 1, 1, 1, generator=generator, device=self.device).square()
        noise = torch.randn(luminance.shape, generator=generator, device=self.device)
        return image, luminance + strength * noise, hints, mask

    def pictures(self, batch: Tensor) -> Tensor:
        """8-bit pictures as sRGB in [0, 1], in the type of the weights."""
        return batch.to(self.dtype) / 255

    def answer(self, luminance: Tensor, hints: Tensor | None, mask: Tensor | None) -> Estimate:
        """The network's estimate in training, with the encoder held still in the first steps."""
        settings: dict[str, Any] = {"phase": self.phase()} if self.sparse else {}
        if self.global_step < self.frozen_steps:
            self.network.encoder.eval()  # type: ignore[union-attr]
            settings["frozen"] = True
        else:
            self.network.train()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            # What the network drops is drawn from torch's own generators, and a resumed run has other ones.
            torch.manual_seed(self._seed(batches_done(self.trainer)) + 503)
            return self.network(luminance, hints, mask, **settings)

    def phase(self) -> tuple[int, int]:
        """Which of each four places this batch learns the distribution at."""
        number = batches_done(self.trainer)
        return number // 2 % 2, number % 2

    def loss(self, estimate: Estimate, image: Tensor) -> Tensor:
        """Classification and regression against the colors of ``image``; logs them."""
        loss = torch.zeros((), device=self.device)
        if estimate.logits is not None and self.classification > 0:
            ab = quarter_ab(image)
            if self.sparse:
                row, column = self.phase()
                ab = ab[..., row::2, column::2]
            logits = estimate.logits.to(image)
            if isinstance(self.network, ColorUNet):  # it gives the true distribution; the weighted one is learned
                logits = logits + self.network.log_weights.to(image).view(1, -1, 1, 1)
            entropy = distribution_loss(logits, ab, self.bin_weights)
            self.log("train/classification", entropy)
            loss = loss + self.classification * entropy
        if estimate.chroma is not None and self.regression > 0:
            truth = rgb_to_yuv(image)[:, 1:]
            huber = chroma_loss(chroma_to_unit(estimate.chroma.to(image)), chroma_to_unit(truth))
            self.log("train/regression", huber)
            loss = loss + self.regression * huber
        if estimate.vivid is not None and self.vivid > 0:
            truth = rgb_to_yuv(image)[:, 1:]
            vivid = estimate.vivid.to(image)
            near = chroma_loss(chroma_to_unit(vivid), chroma_to_unit(truth))
            bright = colorfulness_loss(vivid, truth)
            self.log_dict({"train/vivid": near, "train/colorfulness": bright})
            loss = loss + self.vivid * (near + _COLORFULNESS * bright)
        self.log("train/loss", loss)
        return loss

    def on_train_start(self) -> None:
        """Note the time, also where an epoch goes on that a checkpoint cut."""
        self._start = time.perf_counter(), batches_done(self.trainer)

    def on_train_epoch_start(self) -> None:
        """Note the time."""
        self._start = time.perf_counter(), batches_done(self.trainer)

    def on_train_epoch_end(self) -> None:
        """Log how fast it goes, over all devices."""
        start, first = self._start
        batches = batches_done(self.trainer) - first
        if batches == 0:  # resumed at the end of an epoch
            return
        pictures = batches * self.trainer.train_dataloader.batch_size * self.trainer.world_size  # type: ignore[union-attr]
        self.log("train/pictures_per_second", pictures / (time.perf_counter() - start))

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The optimizer's step, then that of the moving average: before any callback writes a checkpoint."""
        super().optimizer_step(*args, **kwargs)
        self.take_average()

    def take_average(self) -> None:
        """Take the step into the moving average."""
        self.share_statistics(self.network)
        self.averaged.update_parameters(self.network)

    @torch.no_grad()
    def share_statistics(self, network: nn.Module) -> None:
        """Give all processes the same batch statistics, the mean of theirs: each has seen other pictures."""
        buffers = [b for b in network.buffers() if b.is_floating_point()]
        if self.trainer.world_size == 1 or not buffers:
            return
        mean = self.trainer.strategy.reduce(torch.cat([b.flatten() for b in buffers]), reduce_op="mean")
        for buffer, values in zip(buffers, mean.split([b.numel() for b in buffers])):
            buffer.copy_(values.view_as(buffer))

    def shown(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The pictures of a batch as sRGB, (B, 3, H, W), and what the network is shown of them, (B, 1, H, W)."""
        image = self.pictures(batch)
        return image, rgb_to_luminance(image)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """PSNR of the averaged network without and with points, and that of the gray pictures."""
        self._measure(batch, batch_idx, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """The same numbers as in validation, under ``test/``."""
        self._measure(batch, batch_idx, "test")

    def _measure(self, batch: Any, batch_idx: int, stage: str) -> None:
        image, luminance = self.shown(batch)
        chroma = rgb_to_yuv(image)[:, 1:]
        self.log(f"{stage}/psnr_gray", _mean_psnr(luminance.expand_as(image), image), batch_size=len(image))
        for points in VALIDATED_POINTS if self.hints else (0,):
            hints, mask = self.given_points(chroma, points, batch_idx)
            estimate = self(luminance, hints, mask)
            for name, found in colors_of(estimate, luminance).items():
                value = _mean_psnr(found, image)
                self.log(f"{stage}/psnr_{points}_{name}", value, batch_size=len(image))

    def given_points(self, chroma: Tensor, points: int, batch_idx: int) -> tuple[Tensor, Tensor]:
        """So many points of 6 pixels, the same in every validation."""
        b, _, h, w = chroma.shape
        generator = self._generator(batch_idx)
        rows, columns = gaussian_centres(b, points, h, w, generator)
        widths = torch.full_like(rows, 6)
        return paint_points(chroma, rows, columns, widths, torch.full((b,), points, device=chroma.device))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What ``load_from_checkpoint`` makes the module of."""
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = {**arguments(self), **INSTANTIATOR}

    def configure_optimizers(self) -> Any:
        """AdamW with two rates; warm-up, a constant stretch, and a linear fall at the end."""
        encoder = [p for n, p in self.network.named_parameters() if n.startswith("encoder.")]
        others = [p for n, p in self.network.named_parameters() if not n.startswith("encoder.")]
        groups = [{"params": others}]
        if encoder:
            groups.append({"params": encoder, "lr": self.learning_rate * self.encoder_rate})  # type: ignore[dict-item]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = float(self.trainer.estimated_stepping_batches)

        def share(step: int) -> float:
            rise = (step + 1) / max(1, self.warmup)
            fall = (steps - step) / max(1.0, self.cooldown * steps) if self.cooldown else 1.0
            return max(0.0, min(1.0, rise, fall))

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, share), "interval": "step"},
        }

    def _generator(self, number: int) -> torch.Generator:
        """Draws that depend on the batch's number alone, so that a resumed run goes on as it would have."""
        return torch.Generator(self.device).manual_seed(self._seed(number))

    def _seed(self, number: int) -> int:
        return (self.seed * 1_000_003 + number) * 1_009 + self.global_rank

    def _powers(self, count: int, generator: torch.Generator) -> Tensor:
        draw = 2 * torch.rand(count, 1, 1, 1, generator=generator, device=self.device) - 1
        return (1 + self.tone) ** draw


def chroma_of(estimate: Estimate, luminance: Tensor) -> dict[str, Tensor]:
    """The chroma that each head of a network means, (B, 2, H, W): ``regression`` and ``distribution``."""
    found = {}
    if estimate.chroma is not None:
        found["regression"] = estimate.chroma.to(luminance)
    if estimate.logits is not None:
        ab = annealed_mean(estimate.logits.to(luminance))
        ab = F.interpolate(ab, size=luminance.shape[-2:], mode="bilinear", align_corners=False)
        found["distribution"] = ab_to_chroma(luminance, ab)
    return found


def colors_of(estimate: Estimate, luminance: Tensor) -> dict[str, Tensor]:
    """The pictures that the heads of a network mean, sRGB, with its own luminance where it gives one."""
    own = estimate.luminance(luminance)
    return {name: fit_gamut(own, chroma) for name, chroma in chroma_of(estimate, own).items()}


def read_counts(path: str | Path) -> Tensor:
    """The counts of the bins, (313,), of a file of scripts/training/bin_statistics.py."""
    state, _ = read_state(as_path(path)) if is_file(as_path(path)) else ({}, None)
    counts = state.get("counts")
    if counts is None or counts.shape != (BINS,):
        raise UsageError(f"{path} is no file of bin statistics.")
    return counts


def quarter_ab(image: Tensor) -> Tensor:
    """a and b of an sRGB picture at a quarter of its side, by the mean color of each 4 x 4 pixels."""
    return rgb_to_lab(F.avg_pool2d(image, 4, ceil_mode=True))[:, 1:]


def _mean_psnr(image: Tensor, truth: Tensor) -> Tensor:
    return psnr(image, truth).clamp_max(LARGEST_PSNR).mean().float()
