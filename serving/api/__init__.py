"""The HTTP API: what the page does, for programs. `app.add_api` puts it on a FastAPI app."""
