"""Serves the console: web pages for the people who answer for customer data (see docs/explanation/the-console.md on how a page is made)."""
