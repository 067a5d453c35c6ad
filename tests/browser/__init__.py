"""mParticle's own web SDK in a real browser, against a started server."""
