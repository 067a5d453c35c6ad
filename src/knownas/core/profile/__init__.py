"""What is known of a user beside identities: attributes, consent, devices, attribution, events (platform §4.4)."""
