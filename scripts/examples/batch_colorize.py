"""Color a folder of scans like one picture, from Python: the same code as ``recolor colorize``.

python -m scripts.examples.batch_colorize scans/ color.jpg colored/ [--devices 2]
"""

import argparse

import lightning.pytorch as pl

from recolor_torch.lit import RecolorModule
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.writer import PictureWriter
from recolor_torch.methods import HistogramTransfer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets")
    parser.add_argument("reference")
    parser.add_argument("output")
    parser.add_argument("--devices", type=int, default=1)
    args = parser.parse_args()

    module = RecolorModule(HistogramTransfer(mode="chroma"))
    pictures = PictureDataModule([args.targets], args.output, [args.reference], batch_size=16)
    writer = PictureWriter()
    trainer = pl.Trainer(devices=args.devices, callbacks=[writer], logger=False)
    trainer.predict(module, pictures, return_predictions=False)
    print(writer.entries)


if __name__ == "__main__":
    main()
