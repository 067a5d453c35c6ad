"""Decides how messages reach a destination: what a message is, in which order, when it is tried again, and when it is given up."""
