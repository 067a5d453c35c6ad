"""Lets the vendor's own server clients, as published, send to started servers."""
