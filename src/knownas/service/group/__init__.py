"""Says who has what in common: kinds of groups, who is in which group, and what its members share (platform §9)."""
