"""The studio: the shop's own people look at everything, decide, judge and answer, in a browser."""
