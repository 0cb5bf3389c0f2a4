"""What the teaching documents claim about GANs, measured; one file a claim."""
