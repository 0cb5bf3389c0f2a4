"""The HTTP service under load and abuse, and whether it tells the truth."""
