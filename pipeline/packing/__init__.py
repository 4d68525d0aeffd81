"""What a build adds to artifacts to make a bundle of them."""
