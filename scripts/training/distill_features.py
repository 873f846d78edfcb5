"""Distil the slim feature network that comes with the package from the first five convolutions of VGG-19.

    python -m scripts.training.distill_features SOURCE... --weights VGG -o recolor_torch/features/slim.safetensors

The sources are tar files and folders of photographs. The student has the five convolutions and two poolings of the
teacher with fewer channels, and learns from the teacher's answers alone, layer by layer, on crops that are gray or in
color, under either pooling. The filters of its first layer start from random numbers and become those from which,
after ReLU, the teacher's first layer can be read off linearly. Of each further layer it learns some of the channels,
those that explain the others best, by least squares from what it has in the layer before: so it makes up for its own
errors there. In the end each filter has a mean activation of one over photographs. It takes two minutes.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.color import rgb_to_luminance
from recolor_torch.features import VGG19, VggWeights, find_vgg19, normalize_activations, save_vgg19
from recolor_torch.features.layers import CHANNELS, POOLED_AFTER, feature_index
from recolor_torch.features.weights import PREPROCESSING
from recolor_torch.training.data import TrainingPictures, read_small

DEPTH = 5
# Crops are so large, of at least this share of a picture's shorter side, so many at once, and give so many places.
SIZE, LEAST_CROP, BATCH, PLACES = 96, 0.35, 4, 600
# Share of the batches that are gray, as the gallery and correspondence see pictures, and that are pooled by maximum.
GRAY, MAXIMUM = 0.6, 0.25
# A channel that hardly varies is noise.
LEAST_DEVIATION = 1e-3
# Of the mean square of the inputs, added to the squares of the least squares.
RIDGE = 1e-4
# Pictures over which the activations of the teacher and of the student are normalised.
TEACHER_PICTURES, STUDENT_PICTURES = 60, 300


class Student(nn.Module):
    """The first convolutions with fewer channels."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip([3, *widths], widths))
        self.to(memory_format=torch.channels_last).requires_grad_(False)

    def before(self, image: Tensor, pooling: str, k: int) -> Tensor:
        """What convolution ``k`` sees of sRGB pictures."""
        _, mean, std = PREPROCESSING["torchvision"]
        x = (image - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
        for j, layer in enumerate(self.convolutions[: k - 1], start=1):
            x = F.relu(layer(x.contiguous(memory_format=torch.channels_last)))
            if j in POOLED_AFTER:
                x = F.avg_pool2d(x, 2) if pooling == "average" else F.max_pool2d(x, 2)
        return x

    def weights(self) -> VggWeights:
        """As the package holds weights."""
        state: dict[str, Tensor] = {}
        for k, layer in enumerate(self.convolutions, start=1):
            state[f"features.{feature_index(k)}.weight"] = layer.weight.clone().contiguous()
            state[f"features.{feature_index(k)}.bias"] = layer.bias.clone()
        return VggWeights(state, *PREPROCESSING["torchvision"], source="distilled")


class Sampler:
    """What the student sees before a layer and what the teacher answers there, at random places of random crops."""

    def __init__(self, pictures: list[np.ndarray], teacher: VggWeights, seed: int) -> None:
        self.stream, self.position = TrainingPictures(pictures, SIZE, LEAST_CROP, seed), 0
        self.teacher, self.draw = teacher, np.random.default_rng(seed)

    def sample(self, student: Student, k: int, count: int) -> tuple[Tensor, Tensor]:
        """Neighbourhoods, (N, 9 C + 1), and the teacher's convolution ``k`` there before ReLU, (N, C)."""
        networks = {pooling: VGG19(self.teacher, [f"conv_{k}"], pooling) for pooling in ("average", "max")}
        seen, answered = [], []
        for _ in range(count):
            crops = [self.stream[self.position + i] for i in range(BATCH)]
            self.position += BATCH
            images = torch.stack(crops).float() / 255
            if self.draw.random() < GRAY:
                images = rgb_to_luminance(images).expand(-1, 3, -1, -1)
            pooling = "max" if self.draw.random() < MAXIMUM else "average"
            answer = networks[pooling](images)[f"conv_{k}"]
            index = torch.randint(answer[:, 0].numel(), (PLACES,))
            seen.append(neighbourhoods(student.before(images, pooling, k), index))
            answered.append(answer.permute(0, 2, 3, 1).flatten(0, 2)[index])
        return torch.cat(seen), torch.cat(answered)


def neighbourhoods(x: Tensor, index: Tensor) -> Tensor:
    """What a convolution sees at some places, (N, 9 C + 1); the last column is one."""
    height, width = x.shape[-2:]
    rows = F.pad(x, [1] * 4).permute(0, 2, 3, 1)
    picture, y, z = index // (height * width), index // width % height, index % width
    down, across = (d.flatten() for d in torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij"))
    found = rows[picture[:, None], y[:, None] + down, z[:, None] + across].transpose(1, 2).flatten(1)
    return torch.cat((found, torch.ones_like(found[:, :1])), 1)


def choose_channels(features: Tensor, count: int) -> Tensor:
    """The channels that explain all of them best, linearly and after ReLU: forward selection."""
    x = F.relu(features)
    x = (x - x.mean(0)) / (x.std(0) + LEAST_DEVIATION)
    left, chosen = (x.T @ x / len(x)).double(), []
    for _ in range(count):
        gain = left.square().sum(0) / left.diagonal().clamp(min=1e-6)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        left = left - torch.outer(left[:, best], left[best]) / left[best, best].clamp(min=1e-6)
    return torch.tensor(chosen)


def fit_first(layer: nn.Conv2d, seen: Tensor, answered: Tensor, steps: int) -> float:
    """Filters from which the teacher's features after ReLU can be read off; the share of variance that cannot."""
    wanted = F.relu(answered)
    variance = wanted.var(0) + LEAST_DEVIATION
    filters = (torch.randn(layer.out_channels, seen.shape[1]) / seen.shape[1] ** 0.5).requires_grad_()
    read_off = nn.Linear(layer.out_channels, wanted.shape[1])
    optimizer = torch.optim.Adam([filters, *read_off.parameters()], lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        some = torch.randint(len(seen), (1024,))
        found = read_off(F.relu(seen[some] @ filters.T))
        loss = ((found - wanted[some]).square().mean(0) / variance).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    _fill(layer, filters.detach())
    return float(loss.detach())


def fit_layer(layer: nn.Conv2d, seen: Tensor, answered: Tensor) -> float:
    """Least squares for the chosen channels; the share of their variance that is not explained."""
    wanted = answered[:, choose_channels(answered, layer.out_channels)]
    system = (seen.T @ seen).double() / len(seen)
    system += RIDGE * system.diagonal().mean() * torch.eye(len(system))
    filters = torch.linalg.solve(system, (seen.T @ wanted).double() / len(seen)).float()
    _fill(layer, filters.T)
    return float(((seen @ filters - wanted).var(0) / wanted.var(0)).mean())


def _fill(layer: nn.Conv2d, filters: Tensor) -> None:
    layer.weight.copy_(filters[:, :-1].reshape(layer.weight.shape))
    layer.bias.copy_(filters[:, -1])


def batches(pictures: list[np.ndarray], count: int) -> list[Tensor]:
    """Some pictures as ``normalize_activations`` takes them."""
    return [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in pictures[:count]]


def distil(pictures: list[np.ndarray], teacher: VggWeights, widths: list[int], count: int, seed: int) -> VggWeights:
    """A slim network that answers as the teacher does, with a mean activation of one over photographs.

    Args:
        pictures: (H, W, 3) uint8, in random order.
        teacher: the first convolutions of VGG-19.
        widths: channels of each convolution.
        count: batches that each layer is fitted to.
        seed: of all that is drawn.
    """
    torch.manual_seed(seed)
    student = Student(widths)
    sampler = Sampler(pictures, normalize_activations(teacher, batches(pictures, TEACHER_PICTURES)), seed)
    for k, layer in enumerate(student.convolutions, start=1):
        with torch.no_grad():
            seen, answered = sampler.sample(student, k, count)
        left = fit_first(layer, seen, answered, 10 * count) if k == 1 else fit_layer(layer, seen, answered)
        print(f"conv_{k}: {100 * left:.1f} % of the variance is not explained", flush=True)
    return normalize_activations(student.weights(), batches(pictures, STUDENT_PICTURES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=Path, help="tar files and folders of photographs")
    parser.add_argument("--weights", help="VGG-19, the teacher; else RECOLOR_VGG19 or torchvision's")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--widths", type=int, nargs=DEPTH, default=[32, 48, 96, 96, 192], metavar="N")
    parser.add_argument("--batches", type=int, default=100, help="of 4 crops, that each layer is fitted to")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    pictures = [pixels for _, pixels in read_small(args.sources, 256)]
    pictures = [pictures[i] for i in np.random.default_rng(args.seed).permutation(len(pictures))]
    teacher = find_vgg19(args.weights, depth=DEPTH)
    if teacher.widths != CHANNELS[:DEPTH]:
        parser.error(f"{teacher.source} is a slim network itself: name VGG-19 with --weights or RECOLOR_VGG19")
    save_vgg19(distil(pictures, teacher, args.widths, args.batches, args.seed), args.output, torch.float16)
    args.output.chmod(0o644)


if __name__ == "__main__":
    main()
