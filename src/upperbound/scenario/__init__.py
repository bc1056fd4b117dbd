"""What a run is asked to do: models, validation, built-in scenarios."""
