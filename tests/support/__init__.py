"""What several test rooms need: a builder of small models, and the shared models and data."""
