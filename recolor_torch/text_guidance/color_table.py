"""Names of colors: Lab of a thing of that color in good light, and what words beside a name do to it."""

Lab = tuple[float, float, float]

# L, a, b. They are colors of things in photographs, less pure than those of a screen; a place keeps its own lightness,
# so L says from which lightness on a color is at its fullest.
COLORS: dict[str, Lab] = {
    # reds
    "red": (45, 62, 40), "crimson": (40, 60, 28), "scarlet": (48, 66, 48), "ruby": (36, 56, 22), "cherry": (40, 60, 30),
    "maroon": (24, 36, 16), "burgundy": (25, 38, 12), "wine": (28, 40, 10), "claret": (28, 42, 14),
    "blood": (34, 54, 36),
    "brick": (45, 30, 24), "vermilion": (52, 62, 50), "carmine": (40, 58, 24), "raspberry": (42, 58, 10),
    "strawberry": (50, 58, 26), "garnet": (30, 44, 18), "cardinal": (40, 60, 30),
    # oranges and browns
    "orange": (65, 38, 62), "tangerine": (66, 42, 64), "apricot": (78, 20, 38), "peach": (82, 18, 26),
    "coral": (66, 46, 32), "salmon": (70, 38, 26), "rust": (42, 38, 42), "rusty": (42, 38, 42), "copper": (50, 28, 36),
    "coppery": (50, 28, 36), "bronze": (50, 14, 38), "terracotta": (50, 34, 32), "amber": (70, 22, 68),
    "brown": (38, 16, 26), "chocolate": (27, 15, 18), "chestnut": (33, 22, 22), "mahogany": (28, 28, 20),
    "coffee": (32, 12, 18), "caramel": (52, 18, 40), "cinnamon": (46, 26, 34), "tan": (68, 8, 26),
    "tawny": (54, 18, 38),
    "sepia": (36, 10, 20), "umber": (34, 10, 18), "ochre": (58, 16, 50), "sienna": (44, 28, 34), "walnut": (32, 12, 16),
    "russet": (38, 28, 30), "hazel": (46, 12, 32), "auburn": (30, 26, 24), "ginger": (52, 30, 44),
    "gingery": (52, 30, 44),
    "brunette": (26, 9, 13), "hazelnut": (44, 14, 24),
    # yellows and light browns
    "yellow": (82, 2, 68), "golden": (72, 10, 56), "gold": (72, 8, 58), "mustard": (66, 8, 58), "lemon": (88, -4, 62),
    "canary": (88, -2, 66), "saffron": (74, 22, 66), "honey": (68, 14, 52), "straw": (82, 2, 34), "cream": (92, 0, 14),
    "ivory": (94, -1, 9), "beige": (84, 2, 15), "sand": (78, 4, 22), "sandy": (78, 4, 22), "khaki": (64, 0, 24),
    "camel": (62, 12, 32), "buff": (78, 6, 28), "blond": (74, 6, 32), "blonde": (74, 6, 32), "fawn": (68, 8, 22),
    "wheat": (84, 4, 26), "nude": (80, 10, 16), "biscuit": (78, 6, 22), "ecru": (80, 2, 18), "taupe": (48, 4, 9),
    # greens
    "green": (50, -38, 34), "lime": (78, -40, 62), "olive": (48, -8, 36), "emerald": (52, -48, 20),
    "mint": (86, -24, 10),
    "minty": (86, -24, 10), "sage": (66, -10, 14), "forest": (32, -26, 20), "jade": (58, -38, 16),
    "moss": (50, -16, 32),
    "mossy": (50, -16, 32), "chartreuse": (84, -36, 68), "pistachio": (78, -22, 32), "pea": (62, -22, 44),
    "apple": (66, -38, 50), "avocado": (48, -16, 36), "leaf": (48, -28, 36), "leafy": (48, -28, 36),
    "grassy": (50, -30, 40),
    "pine": (34, -22, 10), "fern": (52, -28, 28), "viridian": (46, -32, 6), "lush": (46, -34, 36),
    "military": (40, -6, 20),
    # blue-greens and blues
    "teal": (48, -28, -8), "turquoise": (70, -34, -6), "aqua": (76, -34, -10), "cyan": (74, -32, -22),
    "aquamarine": (80, -30, 2), "blue": (42, 8, -48), "navy": (20, 10, -30), "azure": (58, -4, -42),
    "cobalt": (38, 14, -50), "indigo": (28, 26, -44), "sapphire": (36, 12, -46), "ultramarine": (32, 28, -58),
    "royal": (38, 22, -58), "denim": (42, -2, -24), "cerulean": (58, -12, -36), "periwinkle": (68, 12, -32),
    "petrol": (36, -18, -14), "ice": (88, -6, -8), "icy": (88, -6, -8), "slate": (46, -3, -9), "steel": (54, -4, -14),
    # purples and pinks
    "purple": (38, 42, -40), "violet": (42, 40, -48), "lavender": (72, 16, -24), "lilac": (72, 22, -22),
    "mauve": (64, 22, -12), "plum": (32, 30, -14), "aubergine": (22, 20, -10), "eggplant": (22, 20, -10),
    "amethyst": (48, 34, -36), "grape": (34, 32, -26), "orchid": (62, 44, -28), "magenta": (50, 72, -24),
    "fuchsia": (52, 70, -18), "pink": (70, 42, 4), "rose": (62, 46, 10), "rosy": (70, 34, 12), "blush": (80, 22, 10),
    "cerise": (46, 64, 6), "flesh": (74, 14, 18), "heather": (58, 18, -14),
    # without color
    "black": (12, 0, 0), "white": (96, 0, 0), "gray": (55, 0, 0), "grey": (55, 0, 0), "silver": (76, 0, -2),
    "silvery": (76, 0, -2), "charcoal": (28, 0, -1), "snowy": (96, 0, -2), "pearl": (88, 0, 3), "ebony": (14, 1, 1),
    "jet": (10, 0, 0), "colorless": (55, 0, 0), "colourless": (55, 0, 0), "ash": (60, 0, 2), "ashen": (66, 0, 2),
    "ashy": (60, 0, 2), "chrome": (70, 0, -1),
}  # fmt: skip

# Names of several words.
COMPOUNDS: dict[str, Lab] = {
    "sky blue": (74, -8, -28), "baby blue": (80, -8, -18), "navy blue": COLORS["navy"], "royal blue": COLORS["royal"],
    "midnight blue": (16, 12, -32), "steel blue": COLORS["steel"], "ice blue": COLORS["ice"],
    "sea blue": (44, -14, -28),
    "ocean blue": (40, -8, -34), "electric blue": (50, 6, -60), "powder blue": (82, -6, -12),
    "denim blue": COLORS["denim"],
    "slate gray": COLORS["slate"], "slate grey": COLORS["slate"], "air force blue": (50, -6, -20),
    "forest green": COLORS["forest"], "olive green": COLORS["olive"], "lime green": COLORS["lime"],
    "sea green": (54, -34, 8), "grass green": (50, -32, 42), "bottle green": (28, -24, 10),
    "apple green": COLORS["apple"],
    "moss green": COLORS["moss"], "mint green": COLORS["mint"], "army green": COLORS["military"],
    "hunter green": (28, -22, 14),
    "red brick": COLORS["brick"], "brick red": COLORS["brick"], "blood red": COLORS["blood"],
    "wine red": COLORS["wine"],
    "fire red": COLORS["scarlet"],
    "cherry red": COLORS["cherry"], "ruby red": COLORS["ruby"], "hot pink": (60, 68, -4), "salmon pink": (74, 32, 16),
    "rose pink": (70, 36, 8), "dusty rose": (62, 22, 8), "old rose": (58, 24, 8), "burnt orange": (50, 40, 50),
    "lemon yellow": COLORS["lemon"], "mustard yellow": COLORS["mustard"], "golden yellow": (76, 10, 64),
    "straw yellow": COLORS["straw"], "off white": (94, 0, 4), "snow white": COLORS["white"], "milk white": (95, 0, 3),
    "jet black": COLORS["jet"], "coal black": COLORS["jet"], "pitch black": COLORS["jet"],
    "strawberry blond": (66, 16, 32), "strawberry blonde": (66, 16, 32), "ash blond": (68, 2, 18),
    "ash blonde": (68, 2, 18),
    "platinum blond": (86, 0, 14), "platinum blonde": (86, 0, 14), "dirty blond": (58, 6, 24),
    "dirty blonde": (58, 6, 24),
    "nut brown": COLORS["hazelnut"], "chocolate brown": COLORS["chocolate"], "wood brown": (44, 14, 26),
    "battleship gray": (50, -2, -2), "battleship grey": (50, -2, -2),
}  # fmt: skip

# What a plain name means for some things: nobody who says "green lawn" means the green of a dress.
NATURAL: dict[tuple[str, str], Lab] = {
    ("grass", "green"): (54, -18, 36), ("tree", "green"): (44, -17, 26), ("sky", "blue"): (66, -4, -30),
    ("water", "blue"): (46, -8, -26), ("water", "green"): (48, -20, 6), ("hair", "red"): (44, 28, 36),
    ("hair", "yellow"): COLORS["blond"], ("hair", "orange"): COLORS["ginger"], ("skin", "pink"): (72, 18, 14),
    ("face", "pink"): (72, 18, 14), ("skin", "brown"): (46, 14, 22), ("face", "brown"): (46, 14, 22),
    ("horse", "red"): COLORS["chestnut"], ("cow", "red"): COLORS["chestnut"], ("dog", "red"): COLORS["russet"],
}  # fmt: skip

# What a word in front does: factor of the chroma, and how much lighter (L).
MODIFIERS: dict[str, tuple[float, float]] = {
    "dark": (0.75, -16), "darker": (0.75, -16), "deep": (1.1, -12), "light": (0.6, 14), "lighter": (0.6, 14),
    "pale": (0.45, 20), "pastel": (0.45, 20), "soft": (0.7, 6), "dusty": (0.5, 0), "muted": (0.55, 0),
    "dull": (0.5, -2),
    "faded": (0.5, 8), "grayish": (0.45, 0), "greyish": (0.45, 0), "washed": (0.45, 10), "smoky": (0.5, -6),
    "bright": (1.25, 6), "brighter": (1.25, 6), "vivid": (1.35, 0), "brilliant": (1.35, 4), "intense": (1.3, -2),
    "strong": (1.25, 0), "saturated": (1.35, 0), "rich": (1.15, -4), "neon": (1.6, 8), "medium": (1.0, 0),
    "mid": (1.0, 0), "very": (1.15, 0), "subtle": (0.55, 0), "slightly": (0.6, 0), "clear": (1.0, 4), "warm": (1.0, 0),
    "cool": (1.0, 0), "shiny": (1.1, 4), "dirty": (0.6, -4), "metallic": (0.8, 0), "natural": (0.9, 0),
    "fresh": (1.1, 2),
}  # fmt: skip

# Colors as they color others: "reddish brown" is brown with a share of red.
ISH: dict[str, str] = {
    "reddish": "red", "orangish": "orange", "orangey": "orange", "yellowish": "yellow", "yellowy": "yellow",
    "greenish": "green", "bluish": "blue", "blueish": "blue", "purplish": "purple", "pinkish": "pink",
    "brownish": "brown", "whitish": "white", "blackish": "black", "goldish": "gold",
}  # fmt: skip
