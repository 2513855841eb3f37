"""Colours that the colour-blind tell apart (Okabe & Ito 2008)."""

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#767676"
VERDICT_COLOURS = {"good": BLUE, "caution": ORANGE, "reject": GREY}
