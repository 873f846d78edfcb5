"""Attacks on what holds more than a file: galleries, films, and what the studio's page sends and keeps."""

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from forks import Attack
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from readers import MOST_PIXELS, of_files

from recolor_torch.errors import UsageError
from recolor_torch.gallery import Gallery
from recolor_torch.gallery.descriptor import DescriptorSpec
from recolor_torch.gallery.files import damage as file_damage
from recolor_torch.gallery.gallery import absolute
from recolor_torch.gallery.header import read_header
from recolor_torch.gallery.pending import write_checkpoint
from recolor_torch.gallery.table import Row
from recolor_torch.gallery.upkeep import build_gallery, update_gallery
from recolor_torch.gallery.verify import verify
from recolor_torch.hints.read import HintError, read_hints
from recolor_torch.pictures.captions import MOST, captions
from recolor_torch.pictures.formats import FORMATS
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.read import read_picture

SPEC = DescriptorSpec(("conv_5",), "mean", 160, "average", True, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "0" * 64)
NUMBERS = 12
SIZE = (30, 24)


def describe(data: bytes) -> np.ndarray:
    """Descriptors of a picture and its mirror image, (2, NUMBERS), that depend on the bytes alone."""
    seed = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=(2, NUMBERS)).astype(np.float32) + 1


def embed(folder: Path, spec: DescriptorSpec, files) -> bool:
    """Stands in for the network: any file is a picture."""
    for start in range(0, len(files), 100):
        rows, raw = [], []
        for file in files[start : start + 100]:
            data = absolute(folder, file.path).read_bytes()
            rows.append(Row(file.path, file.size, file.mtime, hashlib.sha256(data).digest(), 4, 3))
            raw.append(describe(data))
        write_checkpoint(folder, spec, rows, np.stack(raw), [])
    return False


def _galleries() -> Attack:
    """A damaged file of a gallery is named by ``verify``; questions and updates answer, or refuse in one sentence."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "in").mkdir()
        for n in range(280):
            (root / "in" / f"{n}.jpg").write_bytes(b"picture %d" % n)
        build_gallery(root / "g", [str(root / "in")], SPEC, embed, factory="Flat")
        (root / "in" / "more.jpg").write_bytes(b"more")
        update_gallery(root / "g", [], embed)
        whole = {f"g/{p.name}": p.read_bytes() for p in sorted((root / "g").iterdir()) if p.suffix}
    whole.pop("g/writer.json", None)

    def read(path: Path, folder: Path) -> None:
        changed = path.read_bytes() != whole[f"g/{path.name}"]
        for name, data in whole.items():
            if name != f"g/{path.name}":
                (folder / name).write_bytes(data)
        (folder / "in").mkdir()
        (folder / "in" / "0.jpg").write_bytes(b"picture 0")
        named = verify(folder / "g")
        assert named or not changed or _is_same_header(folder / "g", whole), "damage that nobody names"
        assert all("\n" not in sentence for sentence in named), "a sentence of several lines"
        problem: UsageError | None = None
        try:
            found = Gallery.open(folder / "g").query_raw(describe(b"picture 5")[:1], 3)[0]
            assert len(found) <= 3, "more answers than were asked for"
            Gallery.open(folder / "g").find_words("5")
            if not named:
                assert next(m.path.name for m in found) == "5.jpg", "another answer"
        except UsageError as error:
            problem = error
        try:
            update_gallery(folder / "g", [], embed, prune=True)
            assert verify(folder / "g") == [] or named, "an update that damages"
        except UsageError as error:
            problem = error
        if problem is not None:
            raise problem

    return of_files(whole, read, (UsageError,))


def _is_same_header(folder: Path, whole: dict[str, bytes]) -> bool:
    """Whether a changed header says what the whole one said (white space, a number written in another way)."""
    header = read_header(folder)
    names = {f"g/{entry.name}" for entry in header.files()}
    unlike = [entry for entry in header.files() if file_damage(folder, entry) is not None]
    return not unlike and names <= set(whole)


def _films() -> Attack:
    """A film that is read to its end is colored, and has as many frames as were read."""
    from recolor_torch.film.door import colorize_film
    from recolor_torch.film.guidance import FilmGuidance
    from recolor_torch.film.opening import FilmError
    from recolor_torch.film.probing import probe_film
    from recolor_torch.film.reader import read_frames
    from recolor_torch.film.scan import scan_film
    from recolor_torch.film.settings import FilmSettings
    from recolor_torch.film.sources import Sources
    from recolor_torch.methods import build_method

    files = {}
    for name, codec, pixels, sound in (
        ("a.mkv", "ffv1", "yuv420p", False),
        ("gray.mkv", "ffv1", "gray", False),
        ("deep.mkv", "ffv1", "yuv422p10le", True),
        ("a.mp4", "libx264", "yuv420p", True),
        ("old.avi", "mjpeg", "yuvj420p", False),
    ):
        files[name] = make_clip(name, codec, pixels, sound)
    reference = io.BytesIO()
    Image.new("RGB", (16, 12), (200, 120, 40)).save(reference, "PNG")

    def read(path: Path, folder: Path) -> None:
        info = probe_film(path)
        if info.width * info.height > MOST_PIXELS:
            raise UsageError("larger than this attack has time for")
        scan = scan_film(info)
        (folder / "r.png").write_bytes(reference.getvalue())
        guidance = FilmGuidance(references=(folder / "r.png",))
        sources = Sources(None, None, build_method("histogram"))
        out = folder / "out.mkv"
        colorize_film(path, out, sources, guidance, FilmSettings(side=32, codec="ffv1"))
        again = probe_film(out)
        frames = list(zip(read_frames(info), read_frames(again)))
        assert len(list(read_frames(again))) == len(scan.times) == len(frames), "another number of frames"
        for before, after in frames:
            off = float((before.luminance(info) - after.luminance(again)).abs().max())
            assert off <= 1.1 / 255, f"the luminance of frame {before.index} is {off * 255:.1f} levels away"

    return of_files(files, read, (FilmError, UsageError), seconds=60)


def make_clip(name: str, codec: str, pixels: str, sound: bool) -> bytes:
    """A film of six frames."""
    import av

    width, height, frames = 48, 32, 6
    rng = np.random.default_rng(3)
    texture = rng.integers(16, 236, (height, width + 2 * frames))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/{name}"
        with av.open(path, "w") as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            audio = out.add_stream("aac", rate=48000, layout="mono") if sound else None
            for i in range(frames):
                gray = av.VideoFrame.from_ndarray(texture[:, 2 * i : 2 * i + width].astype(np.uint8), format="gray")
                out.mux(stream.encode(gray.reformat(format=pixels)))
            out.mux(stream.encode(None))
            if audio is not None:
                for i in range(12):
                    part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                    part.sample_rate, part.pts = 48000, 1024 * i
                    out.mux(audio.encode(part))
                out.mux(audio.encode(None))
        return Path(path).read_bytes()


_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description><dc:subject><rdf:Bag><rdf:li>harbour</rdf:li>'
    "</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_IPTC = b"\x1c\x02\x78\x00\x07caption\x1c\x02\x19\x00\x04keys"


def _captions() -> Attack:
    """What a picture's file says of it in EXIF, IPTC, XMP and PNG is text of some lines, or nothing."""
    exif = Image.Exif()
    exif[0x010E], exif[0x9C9B] = "a description", "title".encode("utf-16-le") + b"\0\0"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a comment".encode("utf-16-be")
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(_IPTC).to_bytes(4, "big") + _IPTC
    segment = b"\xff\xed" + (len(photoshop) + 2).to_bytes(2, "big") + photoshop
    texts = PngInfo()
    texts.add_itxt("Description", "a text of PNG")
    texts.add_text("Comment", "another", zip=True)
    files = {}
    for name, options in (("a.jpg", {"xmp": _XMP.encode()}), ("a.png", {"pnginfo": texts}), ("a.tif", {})):
        buffer = io.BytesIO()
        Image.new("RGB", (16, 12), (90, 120, 40)).save(buffer, exif=exif, format=FORMATS[Path(name).suffix], **options)
        data = buffer.getvalue()
        files[name] = data[:2] + segment + data[2:] if name == "a.jpg" else data

    def read(path: Path, _: Path) -> None:
        text = captions(read_picture(path, MOST_PIXELS))
        lines = text.splitlines()
        assert len(text) <= MOST, "too much text"
        assert all(line.isprintable() and line.strip() for line in lines), "a line that cannot be shown"
        assert len(set(lines)) == len(lines), "a line twice"

    return of_files(files, read, (PictureError,))


_STROKES = [
    {"points": [[3, 4], [9.5, 9]], "radius": 1.5, "color": "#b04030"},
    {"points": [[20, 14]], "radius": 3, "color": "#30a050", "point": True},
    {"points": [[1, 20], [25, 20]], "radius": 1, "color": "#808080", "neutral": True, "hidden": True},
]
_LINKS = [
    {"target": [2, 2, 8, 9], "reference": "r.jpg", "region": [0, 0, 20, 10]},
    {"target": [20, 4, 9.5, 9], "reference": "more/s.png", "region": [5, 5.5, 2, 2]},
]


def _studio() -> Attack:
    """Messages of the page are read or refused; marks come back from what is made of them."""
    from recolor_torch.studio.drawing import StrokeRaster
    from recolor_torch.studio.painted import Marks, parse_file, parse_marks
    from recolor_torch.studio.protocol import Paint, parse_message

    marks = {"size": list(SIZE), "strokes": _STROKES, "links": _LINKS}
    recipe = {"kind": "reference", "sample": 2, "references": ["a", "b"], "strength": 0.5, "trust": 2}
    messages = {
        "paint": {"type": "paint", "seq": 7, "moving": True, "marks": marks},
        "recipe": {"type": "recipe", "seq": 8, "recipe": recipe},
        "suggest": {"type": "suggest", "id": 3, "x": 4.5, "y": 20},
        "stop": {"type": "stop"},
    }
    files = {f"{name}.json": json.dumps(message).encode() for name, message in messages.items()}
    files["kept.hints.json"] = parse_marks(marks, SIZE).to_file().encode()

    def check(found: Marks, folder: Path) -> None:
        kept = folder / "again.hints.json"
        kept.write_text(found.to_file())
        assert parse_file(kept.read_text()) == found or any(m.hidden for m in found.items), "a file of other marks"
        assert parse_marks(json.loads(json.dumps(found.to_page())), found.size) == found, "a page of other marks"
        if found.size[0] * found.size[1] > MOST_PIXELS:
            return
        colors, mask = StrokeRaster((24, 30)).draw(found.shapes)
        direct = found.shapes.rasterize((24, 30))
        assert np.array_equal(mask, direct[1]), "other pixels"
        assert np.array_equal(colors[mask], direct[0][mask]), "other colors"

    def read(path: Path, folder: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:  # the socket closes on text that is none
            raise ValueError("It is not UTF-8.") from error
        if path.name == "kept.hints.json":
            check(parse_file(text), folder)
            return
        message = parse_message(text, SIZE)
        if isinstance(message, Paint):
            check(message.marks, folder)

    return of_files(files, read, (ValueError,))


def _links() -> Attack:
    """Hints with regions that take their colors from regions of references."""
    text = json.dumps({"size": list(SIZE), "points": [], "strokes": _STROKES[:2], "links": _LINKS}).encode()
    bare = json.dumps({"size": list(SIZE), "links": _LINKS}).encode()

    def read(path: Path, _folder: Path) -> None:
        hints = read_hints(path, torch.rand(1, 3, 24, 30), max_pixels=MOST_PIXELS)
        assert hints.image.shape == (1, 3, 24, 30), "another size"
        assert bool(hints.image.isfinite().all()), "values that are not numbers"

    return of_files({"h.json": text, "links.json": bare}, read, (HintError,))


STORES: dict[str, Callable[[], Attack]] = {
    "galleries": _galleries,
    "films": _films,
    "studio": _studio,
    "links": _links,
    "captions": _captions,
}
