"""What a real cloud must show; each module is one part of the product."""
