"""Figures, sheets and pages that show results."""
