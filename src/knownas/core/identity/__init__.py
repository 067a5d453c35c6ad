"""Who is this? Identities, policies, records, and the decisions made over them."""
