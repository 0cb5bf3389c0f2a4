"""The page and what it is made of: one template, one style sheet, one script, nothing from elsewhere."""
