"""`python -m sparring`, as torchrun starts it."""

from sparring.cli import main

main()
