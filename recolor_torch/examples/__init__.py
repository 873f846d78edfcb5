"""Pictures to try things on; CREDITS.md says whose they are."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the pictures lie."""
