"""An HTTP service over exported generators, and a page to explore them (extra `serve`)."""
