"""How worker processes come into being."""
