"""Who is asking, and may they: sign-in links, web sessions, API tokens, roles."""
