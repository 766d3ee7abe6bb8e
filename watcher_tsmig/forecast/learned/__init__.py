"""Working sets and intervals from measurements and from outcomes."""
