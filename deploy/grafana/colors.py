"""Colors that can be told apart with any kind of color vision, on a dark and a light page; after Okabe and Ito."""

from __future__ import annotations

BLUE = "#4C9BE8"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
GREEN = "#009E73"
SKY = "#8CCBF0"
PURPLE = "#CC79A7"
YELLOW = "#D9C93B"
GRAY = "#8E8E8E"

# Blue is neutral. Good is a bluish green, which is not mistaken for vermillion with any color vision.
WELL, DOUBTFUL, BAD = GREEN, ORANGE, VERMILLION

# For what has no color of its own, the first in the ranking first.
RANKS = (VERMILLION, ORANGE, YELLOW, GREEN, BLUE, PURPLE, SKY, GRAY)
