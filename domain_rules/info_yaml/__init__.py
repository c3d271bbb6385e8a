"""The info.yaml of a Tchap or Sydent server: read as rules, with a proof that addresses are answered as before."""
