"""One-time codes: made when a mail leaves, tried, counted. Nowhere else is a try counted."""
