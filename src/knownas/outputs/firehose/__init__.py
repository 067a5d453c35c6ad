"""Sends to partners by the open partner protocol, in which a partner says itself what it takes (platform §7.6).

Names and shapes are those of version 3.2.0 of the protocol's published library.
"""
