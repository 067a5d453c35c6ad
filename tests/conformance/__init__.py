"""The worked examples, run against every way into the product."""
