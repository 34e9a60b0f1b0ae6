"""Networks that give one logit per leaf and pixel."""
