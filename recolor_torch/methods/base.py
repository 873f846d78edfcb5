"""What every method shares: the module it is."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from recolor_torch.color import from_rgb, to_rgb
from recolor_torch.color.tables import ChromaTable
from recolor_torch.features import Preprocessing
from recolor_torch.guide import Guide
from recolor_torch.precision import HALF, in_float32
from recolor_torch.strips import Rows
from recolor_torch.text_guidance.phrases import parse

if TYPE_CHECKING:
    from recolor_torch.methods.correspondence import Correspondence
    from recolor_torch.methods.network import NetworkColorization
    from recolor_torch.methods.words import Painted

Space = Literal["rgb", "yuv", "lab"]
Trust = Literal["low", "normal", "high"]
Table = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class TransferSettings:
    """What a method that makes a prior of references may be told; one that loads no network has no use for it.

    Args:
        weights, download, vgg_preprocessing: where VGG-19 comes from.
        several: search references together, or take the one that fits best.
        trust: how far a reference is believed where nothing matches closely.
    """

    weights: str | None = None
    download: bool = False
    vgg_preprocessing: Preprocessing | None = None
    several: Literal["all", "best"] = "all"
    trust: Trust = "normal"


@dataclass(frozen=True)
class Transferred:
    """What references say of a picture.

    Args:
        chroma: U and V, (B, 2, H, W).
        confidence: in that, (B, 1, H, W), [0, 1].
        belief: share of the references in it, (B, 1, H, W), [0, 1]; None where a method does not say.
    """

    chroma: Tensor
    confidence: Tensor
    belief: Tensor | None = None


@dataclass(frozen=True)
class FilmParts:
    """Who says what of a film's frames, where a method was chosen; what is None is made with its defaults.

    Args:
        network: colors without references.
        match: finds the colors of references.
        whole: colors frames in its own way, in place of ``match``.
        spreads: only given colors count, and they spread over all of a frame.
    """

    network: "NetworkColorization | None" = None
    match: "Correspondence | None" = None
    whole: "Recolorizer | None" = None
    spreads: bool = False


class Recolorizer(nn.Module):
    """A method: an image and a guide in, an image out, all in the method's ``space``.

    Subclasses keep settings in ``__init__`` (typed, with defaults, documented: the command line and
    the YAML files are made from the signature), under the names of the arguments, and call a pure
    function in ``forward``.

    ``needs`` names what the guide has to hold: ``"reference"``, ``"hints"`` or nothing.
    ``bytes_per_pixel`` is the memory that ``forward`` takes beyond its input, for ``--dry-run``.
    ``largest_side`` is the longer side at which larger pictures are worked on unless the user names another.
    ``reports_progress`` is true where a batch takes so long that ``on_progress`` is told the share that is done.
    ``takes_text`` says that ``forward`` reads the guide's text.
    ``sequence`` is true where the pictures of a run are the frames of a clip, batch after batch.
    ``single`` says that the method's weights are made for float32, in which it works whatever it is given.
    ``whole_batches`` says that ``forward`` takes a batch at once on a CPU: each picture comes out as it does alone, to
    the last bit, or the pictures belong together. Without it ``recolor`` hands them over one by one, because kernels of
    convolutions, products and transcendental functions round by the size of the batch.
    ``follows_links`` says that the method reads ``Guide.links``.
    ``says_belief`` says that ``transferred`` tells how far the references are believed.
    ``stages`` is filled, where ``keep_stages`` is set, with intermediate results worth a look: sRGB
    images by name, or the text of files; ``--save-stages`` writes them.
    ``notes`` has for each picture of the last batch what a person should know of it, a sentence each, or is empty.
    """

    space: Space = "rgb"
    needs: ClassVar[tuple[Literal["reference", "hints"], ...]] = ()
    bytes_per_pixel: ClassVar[int] = 100
    largest_side: ClassVar[int | None] = None
    reports_progress: ClassVar[bool] = False
    single: ClassVar[bool] = False
    follows_links: ClassVar[bool] = False
    takes_text: ClassVar[bool] = False
    says_belief: ClassVar[bool] = False
    sequence: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.whole_batches = False
        self.keep_stages = False
        self.stages: dict[str, Tensor | str] = {}
        self.notes: list[tuple[str, ...]] = []
        self.on_progress: Callable[[float], None] | None = None

    def __call__(self, image: Tensor, guide: Guide) -> Tensor:
        """``forward``; one picture, (3, H, W), comes back so; of 16 bits a number it is computed in float32."""
        if image.ndim == 3:
            return self(image[None], guide)[0]
        if image.dtype in HALF:
            return in_float32(super().__call__, image, guide)
        return super().__call__(image, guide)

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Recolor ``image``, (B, 3, H, W) in ``space``."""
        raise NotImplementedError

    def table(self, rows: Rows, full: tuple[int, int], guide: Guide, mask: Rows | None) -> Table | None:
        """``forward`` as a function of each pixel alone, learned from the picture; None where it is none.

        Args:
            rows: rows of the picture, (1, 3, h, W) in ``space``; they may be gone through several times.
            full: height and width of the picture.
            guide: as for ``forward``; its target mask is not read.
            mask: rows of the target mask.

        Returns:
            What gives ``forward`` of some rows, for these rows and those of the mask.
        """
        return None

    def makes_table(self, gray: bool) -> bool:
        """Whether ``table`` gives one for a picture that is gray, or for one with colors."""
        return False

    def paints(self) -> bool:
        """Whether ``chroma_table`` gives one."""
        return False

    def chroma_table(self, guide: Guide) -> ChromaTable | None:
        """The chroma of a gray picture by its luminance alone, where that is all that the method does; else None.

        Args:
            guide: in sRGB, without a target mask.
        """
        return None

    @classmethod
    def for_transfer(cls, settings: TransferSettings) -> "Recolorizer":  # noqa: ARG003  subclasses read it
        """The method with these of its settings."""
        return cls()

    def transferred(self, image: Tensor, guide: Guide) -> Transferred:
        """What the method makes of a gray picture by references alone, as a prior: its whole result, surely.

        Args:
            image: YUV, (B, 3, H, W), of which luminance is read.
            guide: its references, in YUV, and its links are read.
        """
        own = self.references_alone(guide)
        gray = torch.cat((image[:, :1], torch.zeros_like(image[:, 1:])), 1)
        colored = self(from_rgb(to_rgb(gray, "yuv"), self.space), own)
        chroma = from_rgb(to_rgb(colored, self.space), "yuv")[:, 1:]
        return Transferred(chroma, torch.ones_like(chroma[:, :1]))

    def references_alone(self, guide: Guide) -> Guide:
        """The references of a guide in YUV in the method's space, and the links if it follows them."""
        references = tuple(replace(r, image=from_rgb(to_rgb(r.image, "yuv"), self.space)) for r in guide.references)
        own = replace(guide, references=references, hints=None, hint_mask=None, text=None)
        if self.follows_links:
            return own
        return replace(own, references=tuple(r for r in references if r.weight > 0), links=())

    def film_parts(self) -> FilmParts:
        """What the method does in a film: it colors every few frames, and they are joined along the motion."""
        return FilmParts(whole=self)

    def memory_per_pixel(self, hints: bool) -> int:
        """``bytes_per_pixel`` for a target with hints, or without."""
        return self.bytes_per_pixel

    def prepare(self) -> None:
        """Load what the method needs, such as weights; called before a run, and by ``forward`` without one.

        Raises:
            WeightsMissing: weights are needed and are nowhere to be found.
        """

    def bare(self) -> "Recolorizer | None":
        """The method of those pictures of a run that have no hints while others have; None where all need them."""
        return None

    def provenance(self) -> dict[str, str]:
        """What the result depends on beside the settings, such as ``{"weights": digest}``, for the run record."""
        return {}

    def expect(self, references: bool, hints: bool) -> None:
        """Take in what the next guides hold; called before ``prepare`` where that is known, and before each picture."""

    def reset(self) -> None:
        """Forget what earlier batches left behind; called before a run. Most methods have no memory."""

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments by name, as the run record and configs state them."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    def take(self, painted: "Painted") -> None:
        """Keep the notes of a text that was painted, and its stages."""
        self.notes = painted.notes
        self.stages |= painted.stages

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        try:
            return ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        except AttributeError:  # a method of a user's that does not keep its arguments
            return ""

    def kept(self, keep: Literal["luma", "none"]) -> Literal["luma", "none"]:
        """What of the target a result keeps where ``keep`` is asked for: methods may make a luminance of their own."""
        return keep

    def working_side(self, max_side: int | None) -> int | None:
        """The longer side to work at: ``max_side`` where the user names one, else the method's own limit."""
        return self.largest_side if max_side is None else max_side

    def require(self, guide: Guide) -> None:
        """Raise ``ValueError`` where the guide lacks what the method needs."""
        self.require_kinds(bool(guide.references), guide.hints is not None and guide.hint_mask is not None)
        self.require_text(guide.text)

    def require_text(self, text: str | None) -> None:
        """Raise ``ValueError`` where there is a text that names nothing, or that the method does not read."""
        if text is None:
            return
        if not self.takes_text:
            from recolor_torch.methods import method_name  # the registration, which imports this module

            raise ValueError(
                f"{method_name(self)} does not read a text: network, correspondence and semi_interactive do."
            )
        parse(text)

    def require_kinds(self, references: bool, hints: bool) -> None:
        """Raise ``ValueError`` unless the kinds of guidance that there are include those the method needs."""
        from recolor_torch.methods import method_name  # the registration, which imports this module

        if "reference" in self.needs and not references:
            raise ValueError(f"{method_name(self)} needs a reference, got none.")
        if "hints" in self.needs and not hints:
            raise ValueError(f"{method_name(self)} needs hints, got none.")
