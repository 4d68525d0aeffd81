"""Google's Task Library as an independent client of the TFLite artifact."""
