"""Against the standard library itself: same names, same wire, same answers."""
