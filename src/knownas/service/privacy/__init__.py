"""Takes the requests of data subjects, carries them out, and tells whoever asked."""
