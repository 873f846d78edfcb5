"""Coefficients by which the candidates of a correspondence share, and of the error to expect."""

# Fitted by scripts/training/fit_correspondence.py to pairs with known colours, related and unrelated.
# The columns are the evidence in the order of ``gather_evidence`` (score, lead, closeness of the way back, spread,
# disagreement, and the
# means over the picture of score, closeness and disagreement) and a constant.
GATE = (
    (0.293, 0.274, 0.441, -0.099, 0.187, 1.214, 1.639, -0.780, -0.506),  # matches
    (-0.076, -0.293, -0.374, 0.114, -0.291, 0.521, -0.707, -1.718, -0.551),  # regression
    (-0.274, 0.064, -0.371, -0.129, 0.146, -0.239, -2.207, 1.544, 0.018),  # table
    (-0.141, -0.068, -0.218, 0.219, 0.151, -0.958, -0.903, 0.940, 0.892),  # fallback
)
# Logarithm of the expected distance to the true chroma, in units of U and V.
ERROR = (-0.013, -0.120, -0.116, 0.236, 0.073, -0.047, -1.379, 0.189, -2.661)
