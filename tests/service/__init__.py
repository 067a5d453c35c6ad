"""The use cases over real stores."""
