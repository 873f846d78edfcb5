"""Labels from names of files and settings: any letters, and no formula where one holds dollar signs."""

from recolor_torch.paths import printable


def plain(text: str) -> str:
    r"""The text for a title, a legend or a tick, as matplotlib shows it letter by letter.

    What has no shape is escaped, line by line, and a dollar sign does not open a formula.

    Example:
        >>> print(plain("a$b$\n2 s"))
        a\$b\$
        2 s
    """
    return "\n".join(printable(line) for line in text.split("\n")).replace("$", r"\$")
