"""What a frame hands to the next, forward or backward in time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.energies.temporal import STEP_VARIANCE, Belief, carry_belief, join_beliefs
from recolor_torch.film.anchor import ANCHOR_EVERY, Anchor
from recolor_torch.film.frame_store import save_tensors

# Variance in units of 1 / weight that each frame adds to what a source said of earlier ones: their places in this frame
# are ever less sure, and things change with the light. Of correspondence about a dozen frames count: what it says
# changes with what a frame has in common with the references. Of the network's guess, part of whose error is another in
# every frame, many more. Tried: 0.02 to 6 for correspondence, 0.0003 to 0.1 for the guess.
# Where a thing of a text is found changes with what it is taken for, which is to be one thing in all of a shot: 0.01
# let a sweater go from green to red within 70 frames, and flicker by up to 40 % more.
FORGET, FORGET_GUESS, FORGET_WORDS = 0.1, 0.01, 0.001


@dataclass(frozen=True)
class CarriedChroma:
    """What is known of a frame from those before it, and, after ``join``, from itself.

    Args:
        luminance: of the frame, (1, 1, H, W).
        beliefs: each source's, with the claim as a third channel.
        anchor: the last frame that had given colors, as it is seen from this one.
    """

    luminance: Tensor
    beliefs: dict[str, Belief] = field(default_factory=dict)
    anchor: Anchor | None = None

    def move(self, luminance: Tensor, flow: Tensor, tie: Tensor) -> "CarriedChroma":
        """What is known of the next frame from this one.

        Args:
            luminance: of the next frame.
            flow: from its pixels to their places in this one, (1, 2, H, W).
            tie: along the flow, (1, 1, H, W).
        """
        beliefs = {}
        for name, belief in self.beliefs.items():
            forget = {"guessed": FORGET_GUESS, "worded": FORGET_WORDS}.get(name, FORGET)
            # Precisions of given colors are in 1 / chroma², as ties are; of other sources they are weights.
            beliefs[name] = carry_belief(belief, flow, tie if name == "given" else tie * (STEP_VARIANCE / forget))
        anchor = self.anchor
        if anchor is not None:
            anchor = anchor.carried(flow)
            if anchor.age % ANCHOR_EVERY == 0:
                anchor, beliefs["given"] = anchor.found_again(luminance)
        return CarriedChroma(luminance, beliefs, anchor)

    def join(self, own: Mapping[str, Belief]) -> "CarriedChroma":
        """This, and what the sources say of the frame itself."""
        beliefs = dict(self.beliefs)
        for name, belief in own.items():
            beliefs[name] = join_both(beliefs.get(name), belief)
        anchor = Anchor.at(self.luminance, beliefs["given"]) if "given" in own else self.anchor
        return CarriedChroma(self.luminance, beliefs, anchor)

    def save(self, path: Path) -> None:
        """Keep it for the next part of the shot.

        Raises:
            OSError: it cannot be written.
        """
        tensors = {"luminance": self.luminance}
        beliefs = {f"belief.{name}": belief for name, belief in self.beliefs.items()}
        if self.anchor is not None:
            beliefs["anchor"] = self.anchor.belief
            tensors |= {"anchor.luminance": self.anchor.luminance, "anchor.places": self.anchor.places}
            tensors["anchor.age"] = torch.tensor(self.anchor.age)
        for name, belief in beliefs.items():
            tensors |= {f"{name}.chroma": belief.chroma, f"{name}.precision": belief.precision}
        save_tensors(path, {name: tensor.cpu() for name, tensor in tensors.items()})

    @classmethod
    def load(cls, path: Path, device: torch.device) -> "CarriedChroma":
        """What ``save`` kept."""
        tensors = {k: v.to(device) for k, v in torch.load(path, weights_only=True).items()}

        def belief(name: str) -> Belief:
            return Belief(tensors[f"{name}.chroma"], tensors[f"{name}.precision"])

        names = [key.split(".")[1] for key in tensors if key.startswith("belief.") and key.endswith(".chroma")]
        anchor = None
        if "anchor.places" in tensors:
            age = int(tensors["anchor.age"])
            anchor = Anchor(tensors["anchor.luminance"], belief("anchor"), tensors["anchor.places"], age)
        return cls(tensors["luminance"], {name: belief(f"belief.{name}") for name in names}, anchor)


def join_both(a: Belief | None, b: Belief) -> Belief:
    """What is known from two sources, of which the first may be missing."""
    return b if a is None else join_beliefs(a, b)
