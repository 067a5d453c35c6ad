"""Takes persons out of everything that is kept, and keeps out whoever is to stay out."""
