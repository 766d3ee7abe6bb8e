"""Traffic and writing from measurements, whoever took them."""
