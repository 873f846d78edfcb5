"""Coefficients by which the candidates of a correspondence share, and of the error to expect."""

# Fitted by scripts/fit_correspondence.py to pairs with known colours, related and unrelated. The columns are the
# evidence in the order of ``gather_evidence`` (score, lead, closeness of the way back, spread, disagreement, and the
# means over the picture of score, closeness and disagreement) and a constant.
GATE = (
    (0.058, 0.469, 0.412, -0.449, -0.186, 0.747, 1.120, -0.442, -0.413),  # matches
    (0.358, -0.275, -0.712, 0.801, -0.010, 1.072, 0.310, -0.463, -0.718),  # regression
    (-0.493, -0.159, -0.660, 0.398, 0.205, -0.467, -0.719, -0.651, -0.776),  # table
    (-0.093, -0.048, -0.043, 0.045, 0.099, -0.775, -1.488, 0.546, 1.177),  # fallback
)
# Logarithm of the expected distance to the true chroma, in units of U and V.
ERROR = (-0.041, -0.057, -0.122, 0.267, 0.056, -0.101, -1.197, 0.109, -2.838)
