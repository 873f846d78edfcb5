"""Colors by words: "red dress, green lawn" to colors of things, and things to their regions in a picture.

``phrases`` reads a text, by the tables of ``color_table`` and ``things``; ``colors`` gives a color its chroma in light
and shade; ``regions`` finds the things (``recolor_torch.networks.WordFinder``).
"""
