"""Studies of a model: what simpler models reach, what each feature brings, and how fast it ages."""
