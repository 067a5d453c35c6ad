"""Who belongs to an audience, and until when: definitions read and judged (platform §6)."""
