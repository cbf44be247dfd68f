"""Sample input: a positions file and the market data of its date."""
