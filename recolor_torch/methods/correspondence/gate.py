"""Coefficients by which the candidates of a correspondence share, and of the error to expect."""

# Fitted by scripts/training/fit_correspondence.py to pairs with known colors, related and unrelated.
# The columns are the evidence in the order of ``gather_evidence`` (score, lead, closeness of the way back, spread,
# disagreement, and the means over the picture of score, closeness and disagreement) and a constant.
GATE = (
    (0.497, 0.922, 0.108, -0.464, 0.603, 1.501, 1.548, -0.812, 1.941),  # matches
    (0.525, -0.522, -0.518, 0.645, -0.555, 0.584, -0.467, -0.558, -0.531),  # regression
    (-0.030, -0.222, -0.475, 0.147, -0.281, 0.376, -0.279, -0.530, -0.130),  # table
    (-0.492, -0.128, 0.726, 0.342, 0.607, -0.892, -2.552, 0.829, -0.579),  # fallback
)
# Logarithm of the expected distance to the true chroma, in units of U and V.
ERROR = (-0.138, -0.178, 0.013, 0.209, 0.018, -0.142, -0.116, -0.019, -3.703)
