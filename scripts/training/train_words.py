"""Train the finder of words, ``recolor_torch/networks/words.safetensors``, on a CPU; goes on where it was stopped.

    python -m scripts.training.train_words photographs/train MSRC_v2 -o trained/ --vectors glove_words.txt glove.npy

The first folder has ``index.csv``, ``captions.csv``, ``ccp_masks.tar`` and the tar files, the second the pictures and
cleaned labels of MSRC v2 (``scripts.training.word_pictures`` says what is read). In turn:

1. a teacher that sees colors learns from the pictures with masks (``scripts.training.word_teacher``),
2. it names places in the other training pictures, as far as their labels and captions allow,
3. the finder learns from all of them, on features of the colorization network in gray, which are computed once: each
   picture whole, and parts of it with another tone, contrast and grain, as old photographs have them.

Words begin from GloVe's vectors where --vectors names them (words a line, and their matrix), so that alike words begin
alike.

With a GPU for some minutes: --pack FILE ends after step 2 with one small file of gray pictures and labels; elsewhere
``train_words --packed FILE --device cuda --seconds 60 -o trained/`` does step 3 with new parts and tones at every step.

Writes words.safetensors, log.jsonl with the overlap on held-out pictures, and the features, which may be removed.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from recolor_torch.networks.finder import WordFinder
from recolor_torch.networks.loading import SHIPPED, load_network
from recolor_torch.networks.unet import ColorUNet
from recolor_torch.text_guidance.regions import save_finder
from scripts.training.train_unet import Notes
from scripts.training.word_pack import LiveStore, write_pack
from scripts.training.word_pictures import NAMES, Named, clothing, garments, msrc
from scripts.training.word_teacher import Teacher, taught
from scripts.training.word_training import Examples, Store, Training

VIEWS = 2


def main() -> int:
    """Read, teach, learn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="?")
    parser.add_argument("msrc", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, nargs=2, help="words, a line each, and their matrix (.npy)")
    parser.add_argument("--teacher-steps", type=int, default=700)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--taught", type=int, default=2200, help="pictures that the teacher names places in")
    parser.add_argument("--limit", type=int, help="of pictures of each set, for a rehearsal")
    parser.add_argument("--pack", type=Path, help="write the named pictures here and end")
    parser.add_argument("--pack-side", type=int, default=240, help="longer side of packed pictures")
    parser.add_argument("--packed", type=Path, help="learn from this file, in place of pictures")
    parser.add_argument("--device", default="cpu", help="for --packed")
    parser.add_argument("--seconds", type=float, help="of training, in place of --steps")
    args = parser.parse_args()
    if args.packed is None and (args.pictures is None or args.msrc is None):
        parser.error("give the two folders, or --packed")
    args.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    note = Notes(args.output / "log.jsonl")
    network, digest = load_network("unet", SHIPPED)
    assert isinstance(network, ColorUNet)
    finder = WordFinder(network.understanding_channels(), len(NAMES)).to(args.device)
    store: Examples
    if args.packed is not None:
        store = LiveStore(args.packed, network, torch.device(args.device))
        name = torch.cuda.get_device_name() if args.device.startswith("cuda") else args.device
        note(event="packed", training=len(store.training), held_out=len(store.held_out), device=name)
    else:
        pictures = named_pictures(args, note)
        if args.pack is not None:
            write_pack(pictures, args.pack, args.pack_side)
            return 0
        store = Store(args.output / "features", pictures, network.understanding, colored=False, views=VIEWS)
    training = Training(finder, store, args.batch, args.output / "finder.part", note)
    training.run(args.vectors, args.steps, args.seconds)
    save_finder(training.averaged.module, args.output / "words.safetensors", digest)
    note(event="done", held_out=training.overlap())
    return 0


def named_pictures(args: argparse.Namespace, note: Callable[..., None]) -> list[Named]:
    """Pictures with masks, and those that the teacher has named; teacher and names are kept in the output folder."""
    sure = list(_cut([*clothing(args.pictures)], args.limit)) + list(_cut([*msrc(args.msrc)], args.limit))
    sure += _cut([*garments(args.pictures)], args.limit)
    note(event="masks", pictures=len(sure))
    teacher = Teacher()
    done = args.output / "teacher.pt"
    if not done.exists():
        store = Store(args.output / "colors", sure, teacher.features, colored=True, views=1)
        training = Training(teacher.finder, store, args.batch, args.output / "teacher.part", note)
        training.run(args.vectors, args.teacher_steps)
        torch.save(training.averaged.module.state_dict(), done)
    teacher.finder.load_state_dict(torch.load(done, weights_only=True))
    teacher.finder.eval()
    file = args.output / "named.pt"
    kept: dict[str, object] = torch.load(file, weights_only=False) if file.exists() else {}
    with torch.no_grad():
        for name, one in taught(args.pictures, teacher, args.limit or args.taught, set(kept)):
            kept[name] = one and vars(one)
            if len(kept) % 100 == 0:
                torch.save(kept, file)
                print(f"taught: {len(kept)}", flush=True)
    torch.save(kept, file)
    more = [Named(**one) for one in kept.values() if one]  # type: ignore[arg-type]
    note(event="taught", pictures=len(more))
    return sure + more


def _cut(items: list[Named], limit: int | None) -> list[Named]:
    return items if limit is None else items[:: max(1, len(items) // limit)]


if __name__ == "__main__":
    sys.exit(main())
