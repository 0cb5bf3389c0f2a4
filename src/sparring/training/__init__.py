"""The loop, the step and what they need."""
