"""``python -m recolor_torch``: the ``recolor`` command."""

import sys

from recolor_torch.cli import main

sys.exit(main())
