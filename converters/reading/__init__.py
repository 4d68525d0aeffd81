"""What every reader of finished files needs."""
