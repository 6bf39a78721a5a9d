"""The three jobs (drafting, tagging, asking) and what they share."""
