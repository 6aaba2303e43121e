"""`egraff eval`: errors of a deployed file on labelled frames."""
